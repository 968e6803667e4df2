use super::*;

const HEADER: &str = "region,kind,basis,value,percent,valid_from,valid_to,source,issued_by\n";

fn read_text(text: &str) -> Result<Vec<Line>, Vec<BadLine>> {
    read(text.as_bytes(), Some("me"), || ReferenceId([7; 16]))
}

fn wrong(row: &str) -> Vec<(u64, String)> {
    let bad = read_text(&format!("{HEADER}{row}\n")).unwrap_err();
    bad.into_iter().map(|b| (b.line, b.column)).collect()
}

#[test]
fn the_example_is_good() {
    let file = include_bytes!("../../../../data/reference-example.csv");
    let lines = read(file, None, || ReferenceId([7; 16])).unwrap();
    assert!(lines.len() >= 5);
    assert!(lines.iter().any(|l| l.figure.kind == ReferenceKind::Target));
}

#[test]
fn a_line_becomes_a_figure_whatever_the_order_of_the_columns() {
    let text = "\u{feff}valid_from,source,region,kind,basis,percent\r\n\
                2023-01-01,\"letter 1, page 2\", 11.10 ,target,wajib_ktp,25.5\r\n";
    let lines = read_text(text).unwrap();
    assert_eq!(lines.len(), 1);
    let Line { line, figure, notes } = &lines[0];
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!((*line, figure.region.to_string().as_str()), (2, "11.10"));
    assert_eq!((figure.value, figure.percent), (None, Some("25.5".parse().unwrap())));
    assert_eq!((figure.source.as_str(), figure.issued_by.as_str()), ("letter 1, page 2", "me"));
}

#[test]
fn every_wrong_field_is_named_with_its_line_and_column() {
    let cases = [
        ("11.1,denominator,wajib_ktp,5,,2023-01-01,,s,i", "region"),
        ("18.99,denominator,wajib_ktp,5,,2023-01-01,,s,i", "region"),
        ("18.71,share,wajib_ktp,5,,2023-01-01,,s,i", "kind"),
        ("18.71,unknown,wajib_ktp,5,,2023-01-01,,s,i", "kind"),
        ("18.71,denominator,ktp,5,,2023-01-01,,s,i", "basis"),
        ("18.71,denominator,absolute,5,,2023-01-01,,s,i", "basis"),
        ("18.71,denominator,wajib_ktp,767.000,,2023-01-01,,s,i", "value"),
        ("18.71,denominator,wajib_ktp,-5,,2023-01-01,,s,i", "value"),
        ("18.71,denominator,wajib_ktp,2000000000,,2023-01-01,,s,i", "value"),
        ("18.71,denominator,wajib_ktp,,,2023-01-01,,s,i", "value"),
        ("18.71,target,wajib_ktp,5,,2023-01-01,,s,i", "value"),
        ("18.71,denominator,wajib_ktp,,25,2023-01-01,,s,i", "percent"),
        ("18.71,target,absolute,,25,2023-01-01,,s,i", "percent"),
        ("18.71,target,wajib_ktp,,25%,2023-01-01,,s,i", "percent"),
        ("18.71,target,wajib_ktp,,25,01/02/2023,,s,i", "valid_from"),
        ("18.71,target,wajib_ktp,,25,2023-02-30,,s,i", "valid_from"),
        ("18.71,target,wajib_ktp,,25,2023-02-01,2023-01-01,s,i", "valid_to"),
        ("18.71,target,wajib_ktp,,25,2023-02-01,,,i", "source"),
        ("18.71,target,wajib_ktp,,25,2023-02-01,", ""),
    ];
    for (row, column) in cases {
        assert_eq!(wrong(row), [(2, column.to_owned())], "{row}");
    }
    assert_eq!(wrong("99,x,,,,,,s,i").len(), 5);
}

#[test]
fn one_bad_line_spoils_the_file_and_all_bad_lines_are_told() {
    let good = "18.71,denominator,wajib_ktp,5,,2023-01-01,,s,i\n";
    let bad = "18.72,denominator,wajib_ktp,x,,2023-01-01,,s,i\n";
    let bad = read_text(&format!("{HEADER}{good}{bad}\"two\nlines\"\n{good}")).unwrap_err();
    let lines: Vec<_> = bad.iter().map(|b| b.line).collect();
    assert_eq!(lines, [3, 4, 6]);
    assert!(bad[2].reason.contains("line 2"), "{}", bad[2].reason);
}

#[test]
fn lines_are_counted_as_editors_do() {
    let bad = "18.72,denominator,wajib_ktp,x,,2023-01-01,,s,i";
    for end in ["\n", "\r\n", "\r"] {
        let text = [HEADER.trim(), bad, "", "", bad, bad].join(end);
        let lines: Vec<_> = read_text(&text).unwrap_err().iter().map(|b| b.line).collect();
        assert_eq!(lines, [2, 5, 6], "{end:?}");
    }
}

#[test]
fn a_wrong_header_is_told_before_any_line() {
    let of = |text: &str| {
        let bad = read_text(text).unwrap_err();
        bad.into_iter().map(|b| (b.line, b.column)).collect::<Vec<_>>()
    };
    let named = |column: &str| vec![(1, column.to_owned())];
    assert_eq!(of("region\tkind\tbasis\n"), named(""));
    assert_eq!(of(&format!("note,{HEADER}")), named("note"));
    assert_eq!(
        of(&HEADER.replace("source", "region").replace("issued_by", "source")),
        named("region")
    );
    assert_eq!(of(&HEADER.replace(",source", "")), named("source"));
    assert_eq!(of("").len(), 5);
}

#[test]
fn semicolons_go_with_decimal_commas_as_the_header_says() {
    let header = HEADER.replace(',', ";");
    let read_one = |row: &str| read_text(&format!("\u{feff}{header}{row}\r\n"));
    let figure = |row: &str| read_one(row).unwrap().remove(0).figure;
    let target = figure("18.71;target;wajib_ktp;;27,5;2023-01-01;;letter 1, page 2;me");
    assert_eq!(target.percent, "27.5".parse().ok());
    assert_eq!(target.source, "letter 1, page 2");
    let target = figure("18.71;target;wajib_ktp;;27.5;2023-01-01;;s;me");
    assert_eq!(target.percent, "27.5".parse().ok());
    for value in ["767000", "767.000"] {
        let row = format!("18.71;denominator;wajib_ktp;{value};;2023-01-01;;s;me");
        assert_eq!(figure(&row).value, Some(767_000));
    }
    let million = figure("18.71;denominator;wajib_ktp;1.274.000;;2023-01-01;;s;me");
    assert_eq!(million.value, Some(1_274_000));

    let wrong = |row: &str| {
        let mut bad = read_one(row).unwrap_err();
        assert_eq!(bad.len(), 1, "{bad:?}");
        bad.remove(0)
    };
    for (row, column) in [
        ("18.71;target;wajib_ktp;;27.500;2023-01-01;;s;me", "percent"),
        ("18.71;target;wajib_ktp;;1.127,5;2023-01-01;;s;me", "percent"),
        ("18.71;denominator;wajib_ktp;767.00;;2023-01-01;;s;me", "value"),
        ("18.71;denominator;wajib_ktp;767,0;;2023-01-01;;s;me", "value"),
        ("18.71;denominator;wajib_ktp;0.767;;2023-01-01;;s;me", "value"),
        ("18.71;denominator;wajib_ktp;001.274;;2023-01-01;;s;me", "value"),
        ("18.71;denominator;wajib_ktp;000.000;;2023-01-01;;s;me", "value"),
        ("18,71;denominator;wajib_ktp;767;;2023-01-01;;s;me", "region"),
    ] {
        assert_eq!(wrong(row).column, column, "{row}");
    }
    assert!(wrong("18.71;target").reason.contains("semicolon"));
    assert_eq!(self::wrong("18.71,target,wajib_ktp,,\"27,5\",2023-01-01,,s,i").len(), 1);
}

#[test]
fn a_name_is_held_against_the_code_and_may_be_left_out() {
    let header = "region,name,kind,basis,value,valid_from,source,issued_by\n";
    let rest = "denominator,recorded_ktp,1274,2024-01-01,BPS,Desk\n";
    let read_one = |start: &str| read_text(&format!("{header}{start},{rest}"));
    assert!(read_one("12.71,KOTA MEDAN").is_ok() && read_one("12.71,").is_ok());
    let bad = read_one("12.75,MEDAN").unwrap_err();
    assert_eq!((bad[0].line, bad[0].column.as_str()), (2, "name"));
    assert!(bad[0].reason.contains("Kota Medan (12.71)"), "{bad:?}");
}

#[test]
fn what_is_good_but_strange_is_noted() {
    let rows = "91.01,denominator,wajib_ktp,5,,2023-01-01,,s,i\n\
                12.75,denominator,wajib_ktp,5,,2023-01-01,,\"BPS, MEDAN\",i\n";
    let lines = read_text(&format!("{HEADER}{rows}")).unwrap();
    assert_eq!(lines[0].figure.region.to_string(), "93.01");
    assert!(lines[0].notes[0].contains("93.01 now"), "{:?}", lines[0].notes);
    assert!(lines[1].notes[0].contains("Kota Medan (12.71)"), "{:?}", lines[1].notes);
}

#[test]
fn a_lost_zero_is_named_and_not_guessed() {
    let bad = read_text(&format!("{HEADER}11.1,denominator,wajib_ktp,5,,2023-01-01,,s,i\n"));
    let reason = &bad.unwrap_err()[0].reason;
    assert!(reason.contains("did a spreadsheet drop a zero: 11.10?"), "{reason}");
}

#[test]
fn a_file_in_utf_16_is_named_as_that() {
    let file: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bad = read(&file, None, || ReferenceId([7; 16])).unwrap_err();
    assert!(bad[0].reason.contains("UTF-16"), "{bad:?}");
}

#[test]
fn a_file_in_another_encoding_is_told_how_to_save_it() {
    let mut file = HEADER.as_bytes().to_vec();
    file.extend_from_slice(b"18.71,denominator,wajib_ktp,5,,2023-01-01,,caf\xe9,i\n");
    let bad = read(&file, None, || ReferenceId([7; 16])).unwrap_err();
    assert_eq!(bad.len(), 1);
    assert!(bad[0].reason.contains("UTF-8") && bad[0].line == 2, "{bad:?}");
}
