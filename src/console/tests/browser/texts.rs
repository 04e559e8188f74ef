//! Texts that mean no good, as many as are asked for and the same each time: what would run, end an element or an attribute, be read by
//! a template, turn or hide what stands around it, or fill a window.

/// What runs here would set `window.ran`, or open a dialog.
const RUNS: [&str; 22] = [
    "<script>window.ran=1</script>",
    "</script><script>window.ran=2</script>",
    "<script src=\"http://evil.example/x.js\"></script>",
    "<img src=x onerror=\"window.ran=3\">",
    "<img src=http://evil.example/p.gif>",
    "<svg onload=\"window.ran=4\"></svg>",
    "<svg><script>window.ran=5</script></svg>",
    "<svg><foreignObject><iframe srcdoc=\"<script>parent.ran=6</script>\"></foreignObject></svg>",
    "<iframe src=\"javascript:parent.ran=7\"></iframe>",
    "<object data=\"data:text/html,<script>alert(1)</script>\"></object>",
    "<style>@import 'http://evil.example/x.css'; body{width:9999px}</style>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<link rel=preconnect href=http://evil.example>",
    "<meta http-equiv=refresh content=\"0;url=http://evil.example\">",
    "<base href=http://evil.example/>",
    "<details open ontoggle=\"window.ran=8\">",
    "<input autofocus onfocus=\"window.ran=9\">",
    "<a href=\"javascript:window.ran=10\">x</a>",
    "<div hx-get=\"/convoke/\" hx-trigger=\"load\" hx-on:htmx:load=\"window.ran=11\">",
    "<div data-hx-on-load=\"window.ran=12\" sse-swap=\"wrong\" hx-vals=\"js:{a:window.ran=13}\">",
    "<form action=http://evil.example><button>x</button></form>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
];

const BREAKS: [&str; 22] = [
    "\" onmouseover=\"window.ran=20\" x=\"",
    "' onfocus='window.ran=21' autofocus='",
    "\" autofocus onfocus=window.ran=22 style=\"width:9999px",
    "</title></textarea></select></pre></td></tr></table></section></main></body></html>",
    "<!--",
    "--><b>",
    "<![CDATA[x]]>",
    "<?xml version=\"1.0\"?>",
    "</section><section id=\"wrong\" data-live sse-swap=\"wrong\">",
    "</g></svg><circle r=\"9\"/>",
    "\n\nevent: wrong\ndata: <script>window.ran=23</script>\n\n",
    "\r\ndata: x\r\nid: 7\r\nretry: 1\r\n\r\n",
    "{{ 7 * 7 }}{% raw %}{# x #}${7*7}#{7*7}<%= 7*7 %>",
    "&lt;script&gt;&#60;script&#62;&#x3c;b&#x3e;&amp;",
    "%3Cscript%3Ewindow.ran=24%3C/script%3E%00",
    "javascript:window.ran=25",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example/..;/",
    "a&b=c#d?e=f;g",
    "'; DROP TABLE convoke_job; --",
    "\\u003cscript\\u003ewindow.ran=26\\u003c/script\\u003e",
    "+ADw-script+AD4-window.ran=27+ADw-/script+AD4-",
];

const STEERS: [&str; 16] = [
    "\u{202e}gnorw\u{202c}",
    "\u{2066}\u{2067}\u{2068}x\u{2069}",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} 7 \u{627}\u{644}\u{633}\u{644}\u{627}\u{645}",
    "\u{200f}\u{200e}\u{61c}",
    "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}",
    "\u{0}\u{1}\u{8}\u{7f}\u{85}\u{9b}",
    "\u{1b}[2J\u{1b}]0;x\u{7}",
    "\r\n\t\u{b}\u{c}",
    "\u{2028}\u{2029}",
    "\u{fff9}a\u{fffa}b\u{fffb}",
    "\u{e0041}\u{e0042}\u{e007f}",
    "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{30a}\u{30b}\u{30c}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{1f3ff}",
    "\u{ff1c}script\u{ff1e}window.ran=30",
    "\u{fdfd}\u{12031}\u{a9c5}",
    "\u{3000}\u{a0}\u{2003}\u{3164}",
];

/// A number that looks as if it were drawn, the same for each seed.
fn drawn(seed: usize) -> usize {
    let mixed = (seed as u64 ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((mixed ^ (mixed >> 31)) >> 16).unwrap_or_default()
}

/// The text of this number.
fn text(number: usize) -> String {
    let all = || RUNS.iter().chain(&BREAKS).chain(&STEERS);
    let count = all().count();
    let of = |number: usize| *all().nth(number % count).unwrap_or(&"");
    let base = of(number);
    let other = of(drawn(number));
    match number / count {
        0 => base.to_owned(),
        1 => format!("a{base}"),
        2 => format!("{base}{base}"),
        3 => format!("\"'<>&{base}"),
        4 => base.to_uppercase(),
        5 => format!("{}{base}", "x".repeat(70)),
        6 => format!("{base}{}", "W".repeat(3_000)),
        7 => format!("{base}{}", "word ".repeat(500)),
        _ => match drawn(number) % 6 {
            0 => format!("{base}{number}{other}"),
            1 => format!("{other} {base} {} {number}", of(drawn(number + 1))),
            2 => format!("{}{other}{number}", base.to_uppercase()),
            3 => base.chars().flat_map(|letter| [letter, '\u{200b}']).chain(number.to_string().chars()).collect(),
            4 => format!("{}{base}{number}{}", "<b>".repeat(number % 40), "\u{4e2d}".repeat(drawn(number) % 200)),
            _ => format!("{number} {}", base.replace(' ', "/")),
        },
    }
}

/// So many.
pub(super) fn texts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(text).collect()
}

#[test]
fn ten_thousand_of_them_differ() {
    let all: std::collections::BTreeSet<String> = texts(0..10_000).into_iter().collect();
    assert!(all.len() > 9_000, "{}", all.len());
    assert!(RUNS.iter().chain(&BREAKS).chain(&STEERS).all(|base| all.contains(*base)));
}
