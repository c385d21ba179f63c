//! What the compiler says of each mistake: `tests/ui/<theme>/<mistake>.rs`, the directory of migrations beside it, and
//! the messages in `<mistake>.stderr`. `TRYBUILD=overwrite cargo test --test ui` writes the messages anew.

#[test]
fn every_mistake_is_a_compile_error_that_says_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}
