//! `OrderPlaced` as `order_placed`, and back.

/// A type's name as that of its module: `OrderPlaced` is `order_placed`, `HTTPServer` is `http_server`.
pub(crate) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        // A word begins after a small letter or a digit, and where a run of capitals ends.
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase)
            });
        if begins {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What may have been meant as a type's name: `order-placed` is `OrderPlaced`. Other signs end a word.
pub(crate) fn camel(name: &str) -> String {
    let mut camel = String::new();
    let mut begins = true;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() {
            begins = true;
        } else if begins {
            camel.push(letter.to_ascii_uppercase());
            begins = false;
        } else {
            camel.push(letter);
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_a_module_and_a_module_a_type() {
        for (name, module) in [
            ("OrderPlaced", "order_placed"),
            ("HTTPServer", "http_server"),
            ("Order2Placed", "order2_placed"),
            ("OrderV2", "order_v2"),
            ("A", "a"),
            ("AB", "ab"),
        ] {
            assert_eq!(snake(name), module);
        }
        for (given, name) in
            [("order-placed", "OrderPlaced"), ("order placed", "OrderPlaced"), ("orderPlaced", "OrderPlaced")]
        {
            assert_eq!(camel(given), name);
        }
    }
}
