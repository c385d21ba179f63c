//! `metadata.json` written anew.

use jsonc_parser::ast::{Object, ObjectPropName, Value};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::json::{span, strict};

/// The text with these keys set, each to a JSON value, and everything else as it was: `version` and `name` first, a key a line.
/// Reads more than JSON: comments, which go, and commas behind the last entry.
///
/// `None` for what is no object.
///
/// ```
/// use migrate_core::metadata::rewritten;
///
/// let text = rewritten(r#"{"author": "me", "version": "1.0", /* v */ }"#, &[("version", "\"1.0.0\"")]);
/// assert_eq!(text.as_deref(), Some("{\n  \"version\": \"1.0.0\",\n  \"author\": \"me\"\n}\n"));
/// ```
#[must_use]
pub fn rewritten(text: &str, set: &[(&str, &str)]) -> Option<String> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default()).ok()?;
    let Some(Value::Object(object)) = parsed.value else {
        return None;
    };
    let mut lines: Vec<(String, String)> = Vec::new();
    for property in &object.properties {
        let key = property.name.as_str().to_owned();
        let value = match set.iter().find(|(name, _)| *name == key) {
            Some((_, value)) => (*value).to_owned(),
            None => value(&property.value, text, 1),
        };
        lines.push((key, value));
    }
    for (key, value) in set {
        if !lines.iter().any(|(name, _)| name == key) {
            lines.push(((*key).to_owned(), (*value).to_owned()));
        }
    }
    let rank =
        |key: &str| super::REQUIRED.iter().position(|required| *required == key).unwrap_or(super::REQUIRED.len());
    lines.sort_by_key(|(key, _)| rank(key));
    let lines: Vec<String> = lines.iter().map(|(key, value)| format!("  {}: {value}", string(key))).collect();
    Some(format!("{{\n{}\n}}\n", lines.join(",\n")))
}

/// Whether a text is JSON as other tools read it.
#[must_use]
pub fn is_strict(text: &str) -> bool {
    parse_to_ast(text, &CollectOptions::default(), &strict()).is_ok()
}

/// The text of one key of an object, if it is a string.
#[must_use]
pub fn text_of(text: &str, key: &str) -> Option<String> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default()).ok()?;
    match parsed.value {
        Some(Value::Object(object)) => object.get_string(key).map(|it| it.value.to_string()),
        _ => None,
    }
}

/// The texts of one key of an object, if it is a list of strings.
#[must_use]
pub fn texts_of(text: &str, key: &str) -> Option<Vec<String>> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default()).ok()?;
    let Some(Value::Object(object)) = parsed.value else {
        return None;
    };
    let list = object.get_array(key)?;
    let text = |it: &Value<'_>| match it {
        Value::StringLit(it) => Some(it.value.to_string()),
        _ => None,
    };
    list.elements.iter().map(text).collect()
}

fn value(value: &Value<'_>, text: &str, depth: usize) -> String {
    let gap = "  ".repeat(depth + 1);
    match value {
        Value::StringLit(it) => string(&it.value),
        Value::Array(array) => {
            let elements: Vec<String> = array.elements.iter().map(|it| self::value(it, text, depth + 1)).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(Object { properties, .. }) if properties.is_empty() => "{}".to_owned(),
        Value::Object(Object { properties, .. }) => {
            let name = |name: &ObjectPropName<'_>| string(name.as_str());
            let lines: Vec<String> = properties
                .iter()
                .map(|it| format!("{gap}{}: {}", name(&it.name), self::value(&it.value, text, depth + 1)))
                .collect();
            format!("{{\n{}\n{}}}", lines.join(",\n"), "  ".repeat(depth))
        }
        other => text[span(other)].to_owned(),
    }
}

fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for it in text.chars() {
        match it {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            it if it.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(it))),
            it => quoted.push(it),
        }
    }
    quoted + "\""
}
