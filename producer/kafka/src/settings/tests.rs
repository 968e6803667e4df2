//! Precedence and errors of the settings' layers.

use std::collections::HashMap;
use std::io::Write as _;

use clap::{Args, CommandFactory as _, Subcommand};

use super::*;
use crate::connection::Connection;

#[derive(Debug, Parser)]
#[command(name = "laju")]
struct Cli {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Worker(Box<Worker>),
    Query(Query),
    #[command(subcommand)]
    Reference(Reference),
    Emit(Emit),
}

#[derive(Debug, Args)]
struct Emit {
    #[arg(long)]
    home_region: Option<String>,
    #[command(subcommand)]
    fact: Option<EmittedFact>,
}

#[derive(Debug, Subcommand)]
enum EmittedFact {
    Activated {
        #[arg(long)]
        channel: String,
    },
}

#[derive(Debug, Args)]
struct Worker {
    #[command(flatten)]
    connection: Connection,
    #[arg(long, env = "LAJU_STORE", default_value = "data")]
    store: PathBuf,
    #[arg(long, env = "LAJU_THREADS", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    #[arg(long, env = "LAJU_JSON")]
    json: bool,
}

#[derive(Debug, Args)]
struct Query {
    #[arg(long, required = true)]
    region: String,
}

#[derive(Debug, Subcommand)]
enum Reference {
    Add(Add),
}

#[derive(Debug, Args)]
#[group(id = "amount", required = true, multiple = false)]
struct Add {
    #[arg(long)]
    value: Option<u64>,
    #[arg(long)]
    percent: Option<String>,
}

fn run(line: &str, env: &[(&str, &str)], toml: Option<&str>) -> Result<Cli, SettingsError> {
    let env: HashMap<String, OsString> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let mut args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    if let Some(toml) = toml {
        file.write_all(toml.as_bytes()).unwrap();
        args.push("--config".into());
        args.push(file.path().into());
    }
    parse(args, &|name| env.get(name).cloned())
}

fn worker(line: &str, env: &[(&str, &str)], toml: Option<&str>) -> Worker {
    match run(line, env, toml).unwrap().command {
        Task::Worker(worker) => *worker,
        other => panic!("{other:?}"),
    }
}

fn error(line: &str, env: &[(&str, &str)], toml: Option<&str>) -> String {
    run(line, env, toml).unwrap_err().to_string()
}

#[test]
fn command_line_before_environment_before_file_before_default() {
    let file = Some("brokers = 'file:1'\nstore = 'file'");
    let env = [("LAJU_BROKERS", "env:1"), ("LAJU_STORE", "env")];
    let all = worker("laju worker --brokers line:1 --store line", &env, file);
    assert_eq!((all.connection.brokers.as_str(), all.store.to_str()), ("line:1", Some("line")));
    let some = worker("laju worker", &env, file);
    assert_eq!((some.connection.brokers.as_str(), some.store.to_str()), ("env:1", Some("env")));
    let file = worker("laju worker", &[], file);
    assert_eq!((file.connection.brokers.as_str(), file.store.to_str()), ("file:1", Some("file")));
    let default = worker("laju worker --brokers a:1", &[], None);
    assert_eq!(default.store.to_str(), Some("data"));
}

#[test]
fn a_required_option_is_asked_for_only_if_nothing_sets_it() {
    assert!(error("laju worker", &[], None).contains("--brokers"));
    assert!(error("laju worker", &[("LAJU_BROKERS", "")], None).contains("--brokers"));
    assert!(error("laju query", &[], None).contains("--region"));
    assert!(run("laju query", &[], Some("region = '18.71'")).is_ok());
    assert!(error("laju reference add", &[], None).contains("--value"));
    assert!(run("laju reference add", &[], Some("reference.add.value = 5")).is_ok());
}

#[test]
fn a_subcommands_table_goes_before_the_keys_around_it_and_only_for_it() {
    let file = Some(
        "brokers = 'all:1'\nlog-format = 'human'\n[worker]\nbrokers = 'worker:1'\n\
         log_format = 'json'\n[query]\nregion = '18.71'",
    );
    assert_eq!(worker("laju worker", &[], file).connection.brokers, "worker:1");
    let cli = run("laju worker", &[], file).unwrap();
    assert_eq!(cli.logging.log_format, LogFormat::Json);
    let cli = run("laju query", &[], file).unwrap();
    assert_eq!(cli.logging.log_format, LogFormat::Human);
    let line = run("laju --log-format human worker", &[], file).unwrap();
    assert_eq!(line.logging.log_format, LogFormat::Human);
}

#[test]
fn flags_numbers_and_repeatable_options() {
    let file = Some(
        "brokers = 'a:1'\nthreads = 8\njson = true\n\
         kafka_property = ['ssl.cipher.suites=a,b', 'socket.timeout.ms=5']",
    );
    let from_file = worker("laju worker", &[], file);
    assert_eq!((from_file.threads, from_file.json), (Some(8), true));
    let properties = from_file.connection.kafka_properties;
    assert_eq!(properties.len(), 2);
    assert_eq!(properties[0].value(), "a,b");

    let env = [("LAJU_JSON", "0"), ("LAJU_KAFKA_PROPERTIES", "socket.timeout.ms=7, x.y=1,")];
    let from_env = worker("laju worker", &env, file);
    assert!(!from_env.json);
    assert_eq!(from_env.connection.kafka_properties[0].value(), "7");
    assert_eq!(from_env.connection.kafka_properties.len(), 2);

    let line = worker("laju worker --kafka-property x.y=3 --json", &env, file);
    assert_eq!(line.connection.kafka_properties.len(), 1);
    assert!(line.json);
}

#[test]
fn an_unknown_key_is_refused_with_those_there_are() {
    let message = error("laju query --region 18.71", &[], Some("brokesr = 'a:1'"));
    assert!(message.contains("'brokesr'") && message.contains("brokers"), "{message}");
    let message = error("laju worker", &[], Some("[worker]\nbrokers='a:1'\nregion='18.71'"));
    assert!(message.contains("'worker.region'") && message.contains("store"), "{message}");
    let message = error("laju worker", &[], Some("[wroker]\nstore='x'"));
    assert!(message.contains("'wroker'") && message.contains("[worker]"), "{message}");
}

#[test]
fn a_wrong_value_is_refused_with_file_key_and_what_is_allowed() {
    for (toml, key, says) in [
        ("threads = 'many'", "'threads'", "a whole number"),
        ("threads = 65", "'threads'", "1..=64"),
        ("json = 'yes'", "'json'", "true or false"),
        ("store = ['a', 'b']", "'store'", "a single value"),
        ("store = { a = 1 }", "'store'", "a single value"),
        ("log-format = 'xml'", "'log-format'", "json"),
        ("kafka-property = [['a']]", "'kafka-property'", "single values"),
        ("[worker]\nkafka-property = ['acks']", "'worker.kafka-property'", "KEY=VALUE"),
        ("log_format = 'json'\nlog-format = 'json'", "'log_format'", "twice"),
    ] {
        let message = error("laju query --region 18.71", &[], Some(toml));
        assert!(message.contains(key) && message.contains(says), "{toml}: {message}");
        assert!(message.contains("/"), "names the file: {message}");
    }
    let syntax = run("laju query --region 18.71", &[], Some("= 1")).unwrap_err();
    assert!(matches!(syntax, SettingsError::Syntax { line: 1, .. }), "{syntax}");
    let missing = error("laju query --region 18.71 --config /no/such/file", &[], None);
    assert!(missing.contains("/no/such/file"), "{missing}");
}

#[test]
fn a_wrong_variable_is_refused_by_name_where_it_matters() {
    let env = [("LAJU_BROKERS", "a:1"), ("LAJU_THREADS", "0")];
    let message = error("laju worker", &env, None);
    assert!(message.contains("LAJU_THREADS") && message.contains("1..=64"), "{message}");
    assert!(run("laju query --region 18.71", &env, None).is_ok());
    assert!(error("laju worker", &[("LAJU_JSON", "perhaps")], None).contains("true or false"));
}

#[test]
fn the_file_may_be_named_by_the_environment_and_help_needs_none() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"region = '18.71'").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    assert!(run("laju query", &[("LAJU_CONFIG", &path)], None).is_ok());

    let env = [("LAJU_CONFIG", "/no/such/file"), ("LAJU_STORE", "/secret/place")];
    let help = match run("laju worker --help", &env, None) {
        Err(SettingsError::Usage(usage)) => usage.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(help.contains("[env: LAJU_STORE]") && help.contains("--config"), "{help}");
    assert!(!help.contains("/secret/place"), "{help}");
}

#[derive(Debug, Parser)]
struct Regions {
    #[arg(long, value_parser = |text: &str| text.parse::<RegionCode>().map_err(|e| e.to_string()))]
    region: RegionCode,
    #[arg(long, value_delimiter = ',')]
    homes: Vec<RegionCode>,
    #[arg(long)]
    percent: Option<String>,
}

#[test]
fn former_region_codes_are_named_whatever_parses_them_and_nothing_else_is() {
    let given = ["laju", "--region", "91.01", "--homes", "18.71,92.71", "--percent", "91.02"];
    let matches = Regions::command().try_get_matches_from(given).unwrap();
    let named: Vec<_> = former_codes(&matches).iter().map(|former| former.code.as_str()).collect();
    assert_eq!(named, ["91.01", "92.71"]);
    let regions = Regions::try_parse_from(given).unwrap();
    assert_eq!(regions.region.to_string(), "93.01");
    assert_eq!(regions.homes[1].to_string(), "96.71");
    assert_eq!(regions.percent.as_deref(), Some("91.02"));
}

#[test]
fn an_option_on_the_wrong_side_of_a_subcommand_is_told_where_it_belongs() {
    for line in [
        "laju emit activated --channel office --home-region 18.71",
        "laju emit activated --home-region=18.71 --channel office",
    ] {
        let message = error(line, &[], None);
        let tip = "'--home-region' belongs before the word 'activated': \
                   laju emit --home-region … activated";
        assert!(message.contains(tip), "{message}");
    }
    let message = error("laju emit --channel office activated", &[], None);
    let tip = "'--channel' belongs behind the word 'activated': laju emit activated --channel …";
    assert!(message.contains(tip), "{message}");
    let message = error("laju --value 5 reference add", &[], None);
    assert!(message.contains("'--value' belongs behind the word 'add'"), "{message}");
    let message = error("laju emit activated --channel office --homeregion 1", &[], None);
    assert!(!message.contains("belongs"), "{message}");
}
