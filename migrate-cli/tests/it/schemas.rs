//! Every document that a test sees is validated against the schema of its verb in `docs/schemas`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The schemas by the verb that prints them; several for a verb with several answers.
static BY_VERB: LazyLock<BTreeMap<String, Vec<Schema>>> = LazyLock::new(|| {
    let mut by_verb: BTreeMap<String, Vec<Schema>> = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    for entry in fs::read_dir(folder).expect("the schemas are in the repository") {
        let path = entry.expect("a directory can be read to its end").path();
        let schema = read(&path);
        for verb in schema["verbs"].as_array().expect("a schema lists its verbs") {
            let verb = verb.as_str().expect("a verb is text").to_owned();
            by_verb.entry(verb).or_default().push(Schema::new(&path, &schema));
        }
    }
    by_verb
});

static ERROR: LazyLock<Schema> = LazyLock::new(|| Schema::of_no_verb("error.json"));
static EVENT: LazyLock<Schema> = LazyLock::new(|| Schema::of_no_verb("event.json"));

const UPDATE: &str = "`UPDATE_DOCS=1 cargo test -p migrate-cli reference` writes docs/schemas.";

struct Schema {
    name: String,
    validator: Validator,
}

impl Schema {
    fn of_no_verb(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas").join(file);
        Self::new(&path, &read(&path))
    }

    fn new(path: &Path, schema: &Value) -> Self {
        let mut schema = schema.clone();
        close(&mut schema);
        let name = path.file_name().expect("a schema is a file").to_string_lossy().into_owned();
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, validator }
    }

    /// What is wrong with a document.
    fn errors(&self, document: &Value) -> Vec<String> {
        let errors = self.validator.iter_errors(document);
        errors.map(|error| format!("docs/schemas/{}: at `{}`: {error}", self.name, error.instance_path())).collect()
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A document of today has no key that the schema does not know, although one of tomorrow may.
fn close(schema: &mut Value) {
    close_below(schema);
    if schema.get("properties").is_some() {
        schema["unevaluatedProperties"] = json!(false);
    }
}

fn close_below(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    // Each adds keys to those of the object around it, which is closed as a whole.
                    Value::Array(variants) if key == "oneOf" => variants.iter_mut().for_each(close_below),
                    _ => close(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

/// Validates what a command line printed, if it asked for JSON.
#[track_caller]
pub(crate) fn check(words: &[&str], stdout: &str, code: i32) {
    let has = |any: &[&str]| any.iter().any(|word| words.contains(word));
    if !has(&["--json", "--events"]) || has(&["--help", "-h", "--version", "-V"]) {
        return;
    }
    let line = words.join(" ");
    let lines: Vec<&str> = stdout.lines().collect();
    let (document, events) = lines.split_last().unwrap_or_else(|| panic!("`migrate {line}` prints no document"));
    assert!(events.is_empty() || has(&["--events"]), "`migrate {line}` prints one document, not: {stdout}");
    events.iter().for_each(|event| check_event(&parse(event)));
    check_document(&line, verb(words), &parse(document), code);
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Validates a line of `--events`.
#[track_caller]
pub(crate) fn check_event(event: &Value) {
    let errors = EVENT.errors(event);
    assert!(
        errors.is_empty(),
        "{event:#}\n{}\n\nEvents are in migrate-cli/src/json/event.rs. {UPDATE}",
        errors.join("\n")
    );
}

#[track_caller]
fn check_document(line: &str, verb: Option<&str>, document: &Value, code: i32) {
    // What was typed wrongly has no verb.
    let schemas = verb.map(|verb| BY_VERB[verb].as_slice()).unwrap_or_default();
    // A verb that runs migrations answers with the document of a run also where it fails.
    let runs = schemas.iter().any(|schema| schema.name == "run.json") && !line.contains("--can");
    let mut errors = Vec::new();
    for schema in schemas.iter().chain((code != 0 && !runs).then_some(&*ERROR)) {
        let found = schema.errors(document);
        if found.is_empty() {
            return;
        }
        errors.extend(found);
    }
    panic!(
        "what `migrate {line}` prints is in no schema of `{}`:\n{document:#}\n{}\n\n\
         A document's types are in migrate-cli/src/json, where they derive `JsonSchema` in tests; a new one has its line in \
         migrate-cli/src/json/schemas.rs. {UPDATE}",
        verb.unwrap_or_default(),
        errors.join("\n")
    );
}

/// Every verb.
pub(crate) fn verbs() -> impl Iterator<Item = &'static str> {
    BY_VERB.keys().map(String::as_str)
}

/// The first verb of a command line: `lock show` before `lock`.
pub(crate) fn verb<'a>(words: &[&str]) -> Option<&'a str> {
    let starting_at = |index: usize| {
        let matches = |verb: &&String| words[index..].starts_with(&verb.split(' ').collect::<Vec<_>>());
        BY_VERB.keys().filter(matches).max_by_key(|verb| verb.len()).map(String::as_str)
    };
    (0..words.len()).find_map(starting_at)
}

#[test]
#[should_panic(expected = "is in no schema of `version`")]
fn a_key_that_no_schema_knows() {
    let document =
        json!({"format": 1, "database_version": null, "registry_version": null, "runtime_version": null, "more": 1});
    check(&["version", "--json"], &document.to_string(), 0);
}

#[test]
#[should_panic(expected = "docs/schemas/status.json: at `/verdict`")]
fn a_word_that_no_schema_knows() {
    let document = json!({"format": 1, "database_version": null, "verdict": "good", "migrations": []});
    check(&["--table", "x", "status", "--json"], &document.to_string(), 0);
}

#[test]
#[should_panic(expected = "is in no schema of `lock show`")]
fn an_error_without_an_exit_code_for_it() {
    let failure = json!({"kind": "failed", "message": "", "help": null, "migration": null, "location": null,
        "statement": null, "code": null, "detail": null});
    let document = json!({"format": 1, "error": failure}).to_string();
    check(&["lock", "show", "--json"], &document, 70);
    check(&["lock", "show", "--json"], &document, 0);
}

#[test]
#[should_panic(expected = "is in no schema of `reset`")]
fn a_run_that_answers_with_a_mere_error() {
    let failure = json!({"kind": "usage", "message": "", "help": null, "migration": null, "location": null,
        "statement": null, "code": null, "detail": null});
    check(&["reset", "--json"], &json!({"format": 1, "error": failure}).to_string(), 64);
}

#[test]
fn the_examples_of_the_documentation() {
    let text = include_str!("../../../docs/json.md");
    let mut documents = 0;
    for section in text.split("\n## ").skip(1) {
        let linked = |name: &str| section.contains(&format!("(schemas/{name})"));
        let schemas: Vec<&Schema> =
            BY_VERB.values().flatten().chain([&*ERROR, &*EVENT]).filter(|it| linked(&it.name)).collect();
        let examples = section.split("```json\n").skip(1).filter_map(|block| block.split("\n```").next());
        for example in examples.filter(|example| example.starts_with("{\"format\"")) {
            for document in serde_json::Deserializer::from_str(example).into_iter() {
                let document: Value = document.unwrap_or_else(|error| panic!("{error}: {example}"));
                let is_valid = schemas.iter().any(|schema| schema.errors(&document).is_empty());
                let errors: Vec<String> = schemas.iter().flat_map(|schema| schema.errors(&document)).collect();
                assert!(is_valid, "{document:#}\n{}", errors.join("\n"));
                documents += 1;
            }
        }
    }
    assert!(documents >= 20, "{documents}");
}
