//! What the tokens file may hold, and whom it lets in.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn read(text: &str) -> Result<Tokens, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Tokens::read(file.path())
        .map_err(|error| error.to_string().replace(&format!("{}", file.path().display()), "FILE"))
}

#[test]
fn a_token_made_here_lets_in_whom_it_was_made_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.toml");
    let screen = NewToken::make("screen", Role::Read).unwrap();
    screen.append(&path).unwrap();
    let office = NewToken::make("office", Role::Quote).unwrap();
    office.append(&path).unwrap();
    let tokens = Tokens::read(&path).unwrap();
    let caller = |token: &str| tokens.caller(token.as_bytes()).cloned();
    assert_eq!(caller(&office.token), Some(Caller { name: "office".into(), role: Role::Quote }));
    assert_eq!(caller(&screen.token).unwrap().role, Role::Read);
    for wrong in ["", "laju_", &screen.token[..68], &screen.token.to_uppercase()] {
        assert_eq!(caller(wrong), None);
    }
    assert_eq!(screen.token.len(), PREFIX.len() + 64);
    assert_ne!(screen.token, NewToken::make("screen", Role::Read).unwrap().token);
    // Neither the file nor what is logged of it has the token.
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&screen.token[PREFIX.len()..]));
    assert!(!format!("{tokens:?}").contains(&hex::encode(Sha256::digest(&*screen.token))));

    let again = NewToken::make("screen", Role::Quote).unwrap().append(&path).unwrap_err();
    assert!(again.to_string().contains("two tokens of the name 'screen'"), "{again}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "nothing was written");
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line_and_without_its_values() {
    let digest = "ab".repeat(32);
    let one = format!("[[token]]\nname = \"a\"\nrole = \"read\"\nsha256 = \"{digest}\"\n");
    assert!(read(&one).is_ok());
    for (text, expected) in [
        (String::new(), "holds no token"),
        ("# nothing yet\n".to_owned(), "holds no token"),
        ("token = []".to_owned(), "holds no token"),
        ("[[token]]\nname = \"laju_secret".to_owned(), "FILE, line 2: this is not TOML"),
        ("token = \"laju_secret\"".to_owned(), "FILE, line 1: an entry begins with [[token]]"),
        ("[token]\nname = \"a\"".to_owned(), "line 1: an entry begins with [[token]]"),
        (format!("{one}laju_secret = 1\n"), "line 5: a token has name, role and sha256"),
        (format!("{one}[laju_secret]\n"), "line 5: only [[token]] entries"),
        ("token = [\n\"laju_secret\"]".to_owned(), "line 2: not a [[token]]"),
        (format!("{one}[[token]]\nname = \"b\"\n"), "line 5: this token has no role"),
        (one.replace("\"read\"", "\"laju_secret\""), "line 3: a role is read, quote or seed"),
        (one.replace("\"read\"", "1"), "line 3: role is a text"),
        (one.replace(&digest, "laju_secret"), "line 4: sha256 is the token's SHA-256 in 64"),
        (one.replace(&digest, &digest[2..]), "line 4: sha256 is the token's SHA-256 in 64"),
        (one.replace("\"a\"", "\"local\""), "line 2: 'local' is whoever asks without"),
        (one.replace("\"a\"", "\"laju_secret\""), "line 2: a name does not begin"),
        (one.replace("\"a\"", "\"a b\""), "line 2: a name is 1 to 64"),
        (one.replace("\"a\"", "\"\""), "line 2: a name is 1 to 64"),
        (format!("{one}{one}"), "line 6: there are two tokens of the name 'a'"),
        (format!("{one}{}", one.replace("\"a\"", "\"b\"")), "line 8: another name has the same"),
    ] {
        let error = read(&text).expect_err(&text);
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("laju_secret"), "{error}");
    }
}

#[test]
fn a_file_that_everyone_may_write_lets_nobody_in() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let token = NewToken::make("a", Role::Read).unwrap();
    token.append(file.path()).unwrap();
    assert!(Tokens::read(file.path()).is_ok());
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(file.path(), mode(0o646)).unwrap();
    let error = Tokens::read(file.path()).unwrap_err();
    assert!(matches!(error, TokensError::WritableByAll { .. }), "{error}");
    std::fs::set_permissions(file.path(), mode(0o644)).unwrap();
    assert!(Tokens::read(file.path()).is_ok(), "digests may be read");
    assert!(matches!(Tokens::read(Path::new("/none")), Err(TokensError::Read { .. })));
}
