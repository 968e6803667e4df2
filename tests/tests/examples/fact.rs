//! What the guide says of the branch of `fact`, checked against fastavro.

use laju_tests::process::{command, run};

use crate::AVSC;

const GUIDE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../producer/README.md"));

/// The line of the guide that names the branch.
fn named() -> &'static str {
    let mut lines = GUIDE.lines().map(str::trim);
    lines.find(|line| line.starts_with("fact = (\"id.ikd.events.Activated\"")).unwrap()
}

#[test]
fn a_named_branch_of_fact_is_that_branch_or_an_error_and_one_that_is_not_named_is_another() {
    let Some(python) = std::env::var("LAJU_TEST_PYTHON").ok().filter(|name| !name.is_empty())
    else {
        println!("not run: it needs LAJU_TEST_PYTHON");
        return;
    };
    let told =
        "fastavro.schemaless_reader(bytes, schema,\n   return_record_name=True)[\"fact\"][0]";
    assert!(GUIDE.contains(told), "the guide says how to tell");
    let script = format!(
        r#"
import io, json, fastavro
schema = fastavro.parse_schema(json.load(open({AVSC:?})))

def written(fact):
    value = io.BytesIO()
    fastavro.schemaless_writer(value, schema, {{
        "event_id": b"i" * 16, "kiosk_id": "k", "sequence": 1, "occurred_at": 0,
        "subject": b"s" * 16, "home_region": "18.71", "service_region": "18.71",
        "outreach_id": None, "fact": fact}})
    bytes = io.BytesIO(value.getvalue())
    print(fastavro.schemaless_reader(bytes, schema, return_record_name=True)["fact"][0])

for channel in ["office", "ofice"]:
    {named}
    try:
        written(fact)
        written({{"-type": fact[0], **fact[1]}})
    except Exception as error:
        print("error")
    written(fact[1])
"#,
        named = named()
    );
    let ended = run(command(&python, &["-c", &script]));
    assert!(ended.status.success(), "{ended:?}");
    let said: Vec<&str> = ended.stdout.lines().collect();
    let activated = "id.ikd.events.Activated";
    let expected = [activated, activated, activated, "error", "id.ikd.events.CardRecorded"];
    assert_eq!(said, expected);
}
