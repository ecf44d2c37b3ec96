use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn line(name: &str, bytes: &[u8]) -> NoteSignature {
    NoteSignature {
        name: name.parse().unwrap(),
        id: KeyId::new([1, 2, 3, 4]),
        bytes: bytes.to_vec(),
    }
}

#[test]
fn a_note_reads_back_as_written() {
    let note = Note::new("a\n\nb\n".to_owned(), vec![line("one", b"x"), line("two", b"yz")]);
    let note = note.unwrap();
    assert_eq!(note.to_string(), "a\n\nb\n\n— one AQIDBHg=\n— two AQIDBHl6\n");
    assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note));
}

#[test]
fn the_last_empty_line_separates() {
    let note = Note::parse("\n\n\n— one AQIDBHg=\n".as_bytes()).unwrap();
    assert_eq!(note.text(), "\n\n");
}

#[test]
fn rejects_what_is_not_a_note() {
    let rows: [(&[u8], NoteError); 16] = [
        (b"", NoteError::NoSignatures),
        (b"a\n", NoteError::NoSignatures),
        (b"a\n\n", NoteError::NoSignatures),
        (b"\xff\n\n", NoteError::Utf8),
        ("a\n\n— one AQIDBHg=".as_bytes(), NoteError::SignatureLine),
        ("a\n\n— one AQIDBHg=\n\n".as_bytes(), NoteError::NoSignatures),
        ("a\n\n- one AQIDBHg=\n".as_bytes(), NoteError::SignatureLine),
        ("a\n\n—  one AQIDBHg=\n".as_bytes(), NoteError::SignatureLine),
        ("a\n\n— one  AQIDBHg=\n".as_bytes(), NoteError::SignatureLine),
        ("a\n\n— one AQIDBHg= \n".as_bytes(), NoteError::SignatureLine),
        ("a\n\n— one AQIDBHg\n".as_bytes(), NoteError::SignatureLine),
        ("a\n\n— one AQIDBA==\n".as_bytes(), NoteError::SignatureLine),
        ("a\n\n— o+e AQIDBHg=\n".as_bytes(), NoteError::SignatureLine),
        ("a\n\n— o\u{a0}e AQIDBHg=\n".as_bytes(), NoteError::SignatureLine),
        ("a\tb\n\n— one AQIDBHg=\n".as_bytes(), NoteError::ControlByte),
        ("a\r\n\n— one AQIDBHg=\n".as_bytes(), NoteError::ControlByte),
    ];
    for (bytes, error) in rows {
        assert_eq!(Note::parse(bytes), Err(error), "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn names_are_held_to_their_alphabet() {
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\u{85}b", "a\nb", "a\u{1}b"] {
        assert_eq!(name.parse::<KeyName>(), Err(NoteError::KeyName), "{name:?}");
    }
    assert_eq!("gemeinde.example/übersicht".parse::<KeyName>().unwrap().as_str().len(), 27);
}

#[test]
fn a_note_holds_at_most_64_signatures() {
    let lines: Vec<_> = (0..65_u8).map(|byte| line("one", &[byte])).collect();
    let mut note = Note::new("a\n".to_owned(), lines[..64].to_vec()).unwrap();
    assert_eq!(Note::parse(note.to_string().as_bytes()).as_ref(), Ok(&note));
    assert_eq!(note.push(lines[0].clone()), Ok(()));
    assert_eq!(note.push(lines[64].clone()), Err(NoteError::TooManySignatures));
    assert_eq!(note.signatures().len(), 64);
    let extra = format!("{note}{}\n", lines[64]);
    assert_eq!(Note::parse(extra.as_bytes()), Err(NoteError::TooManySignatures));
    assert_eq!(Note::new("a\n".to_owned(), lines), Err(NoteError::TooManySignatures));
}

#[test]
fn a_note_longer_than_the_limit_is_refused_however_it_grows() {
    let text = "a".repeat(NOTE_BYTES_MAX - 100) + "\n";
    let mut note = Note::new(text.clone(), vec![line("one", b"x")]).unwrap();
    assert_eq!(note.to_string().len(), note.encoded_len());
    assert!(matches!(note.push(line("two", &[0; 90])), Err(NoteError::TooLong { .. })));
    assert!(Note::parse(note.to_string().as_bytes()).is_ok());
    assert!(matches!(Note::new(text, vec![line("two", &[0; 90])]), Err(NoteError::TooLong { .. })));
    assert!(matches!(
        Note::parse(&vec![b'\n'; NOTE_BYTES_MAX + 1]),
        Err(NoteError::TooLong { .. })
    ));
}

#[test]
fn an_identical_line_is_added_once() {
    let mut note = Note::new("a\n".to_owned(), vec![line("one", b"x")]).unwrap();
    note.push(line("one", b"x")).unwrap();
    note.push(line("one", b"y")).unwrap();
    assert_eq!(note.signatures().len(), 2);
}

proptest! {
    #[test]
    fn every_note_reads_back_as_written(
        text in "[^\\x00-\\x1f]{0,40}\n(\n|[^\\x00-\\x1f]{0,20}\n){0,4}",
        lines in vec(("[a-z./é]{1,12}", any::<[u8; 4]>(), vec(any::<u8>(), 1..80)), 1..6),
    ) {
        let lines = lines.into_iter().map(|(name, id, bytes)| NoteSignature {
            name: name.parse().unwrap(),
            id: KeyId::new(id),
            bytes,
        });
        let note = Note::new(text, lines.collect()).unwrap();
        prop_assert_eq!(Note::parse(note.to_string().as_bytes()).unwrap(), note);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Note::parse(&bytes);
    }

    #[test]
    fn what_parses_prints_the_same(note in "[a-z]{0,3}\n{1,3}(— [a-z+ ]{0,3} [A-Za-z0-9+/]{4,8}={0,2}\n{0,2}){0,3}") {
        if let Ok(parsed) = Note::parse(note.as_bytes()) {
            prop_assert_eq!(parsed.to_string(), note);
        }
    }
}
