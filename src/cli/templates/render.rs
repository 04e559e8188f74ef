//! Which template, its values, and what has come out.

use std::path::{Path, PathBuf};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::embedded::MAKE;
use crate::error::{Error, Result};
use crate::plan::read;

/// Where a crate has templates of its own.
pub(crate) const FOLDER: &str = ".convoke/templates";

/// The templates of one crate.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
    root: Option<PathBuf>,
}

impl Templates {
    /// Those of this program alone.
    pub(crate) fn embedded() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_keep_trailing_newline(true);
        Self { environment, root: None }
    }

    /// Those of this program, where the crate has none of its own.
    pub(crate) fn of(root: &Path) -> Self {
        Self { root: Some(root.to_path_buf()), ..Self::embedded() }
    }

    /// Renders the template of this name for `convoke make`.
    pub(crate) fn make(&self, name: &str, values: &Value) -> Result<String> {
        let own = match &self.root {
            Some(root) => read(root, &format!("{FOLDER}/{name}"))?.map(|text| (format!("{FOLDER}/{name}"), text)),
            None => None,
        };
        match own {
            Some((path, text)) => self.render(&path, &text, values),
            None => self.of_list(MAKE, name, values),
        }
    }

    /// Renders the template of this name out of a list.
    pub(crate) fn of_list(&self, list: &[(&str, &str)], name: &str, values: &Value) -> Result<String> {
        let Some((_, text)) = list.iter().find(|(known, _)| *known == name) else {
            return Err(Error::refused(format!("there is no template `{name}`")));
        };
        self.render(name, text, values)
    }

    fn render(&self, name: &str, text: &str, values: &Value) -> Result<String> {
        let rendered = self.environment.render_named_str(name, text, values).map_err(|error| {
            let line = error.line().map_or(String::new(), |line| format!(":{line}"));
            let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
            Error::refused(format!("the template {name}{line} cannot be rendered: {}{detail}", error.kind()))
                .hint("`convoke make templates` writes those of this program, with all values that they are given")
        })?;
        if name.ends_with(".rs.jinja")
            && let Err(error) = syn::parse_file(&rendered)
        {
            let line = error.span().start().line;
            return Err(Error::refused(format!("line {line} of what the template {name} makes is no Rust: {error}")));
        }
        Ok(rendered)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use minijinja::context;
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_crate_may_have_a_template_of_its_own() {
        let folder = tempdir().unwrap();
        fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        let own = folder.path().join(FOLDER).join("round.rs.jinja");
        let templates = Templates::of(folder.path());
        let values = context! { name => "Shipping" };
        for (text, wanted) in [
            ("pub struct {{ name }};\n", Ok("pub struct Shipping;\n")),
            ("pub struct {{ nme }};\n", Err("the template .convoke/templates/round.rs.jinja:1 cannot be rendered")),
            ("pub struct {{ name }\n", Err("the template .convoke/templates/round.rs.jinja:1 cannot be rendered")),
            (
                "pub struct\n\n{{ name }}",
                Err("of what the template .convoke/templates/round.rs.jinja makes is no Rust"),
            ),
        ] {
            fs::write(&own, text).unwrap();
            match (templates.make("round.rs.jinja", &values), wanted) {
                (Ok(made), Ok(wanted)) => assert_eq!(made, wanted),
                (Err(error), Err(wanted)) => assert!(error.to_string().contains(wanted), "{error}"),
                (made, wanted) => panic!("{made:?}, and not {wanted:?}"),
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_template_behind_a_link_is_not_read() {
        let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
        fs::write(elsewhere.path().join("round.rs.jinja"), "pub struct Theirs;\n").unwrap();
        fs::create_dir(folder.path().join(".convoke")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join(FOLDER)).unwrap();
        let error = Templates::of(folder.path()).make("round.rs.jinja", &context! {}).unwrap_err();
        assert!(error.to_string().contains("link"), "{error}");
    }
}
