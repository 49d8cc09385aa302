//! Whom a certificate signing request is for: the common names in a PKCS#10 request (RFC 2986). The API server takes a
//! client's username from its certificate's common name.

use base64::{Engine, engine::general_purpose::STANDARD};

const BEGIN: &str = "-----BEGIN CERTIFICATE REQUEST-----";
const END: &str = "-----END CERTIFICATE REQUEST-----";

/// The object identifier of a common name, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The common names that the requests in a CSR's `spec.request` ask for: of every request in it and every name in
/// each, since readers differ in which one counts. `None` when any of it cannot be read.
pub fn common_names(request: &str) -> Option<Vec<String>> {
    let pem = STANDARD.decode(request).ok()?;
    let pem = std::str::from_utf8(&pem).ok()?;
    let mut blocks = pem.split("-----BEGIN ").skip(1).peekable();
    blocks.peek()?;
    let names: Option<Vec<_>> = blocks.map(|block| names_in(&der(block)?)).collect();
    Some(names?.concat())
}

/// The bytes of one block, the text behind the words that begin it.
fn der(block: &str) -> Option<Vec<u8>> {
    let label = BEGIN.strip_prefix("-----BEGIN ")?;
    let (text, _) = block.strip_prefix(label)?.split_once(END)?;
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

/// `CertificationRequest { certificationRequestInfo { version, subject, ... }, ... }`
fn names_in(request: &[u8]) -> Option<Vec<String>> {
    let (request, _) = take(SEQUENCE, request)?;
    let (info, _) = take(SEQUENCE, request)?;
    let (_version, rest) = take(INTEGER, info)?;
    let (mut subject, _) = take(SEQUENCE, rest)?;
    let mut names = Vec::new();
    while !subject.is_empty() {
        let (mut relative, after) = take(SET, subject)?;
        subject = after;
        while !relative.is_empty() {
            let (attribute, after) = take(SEQUENCE, relative)?;
            relative = after;
            let (kind, value) = take(OBJECT_IDENTIFIER, attribute)?;
            if kind == COMMON_NAME {
                names.push(text(value)?);
            }
        }
    }
    Some(names)
}

fn text(value: &[u8]) -> Option<String> {
    let tag = *value.first()?;
    let (bytes, _) = take(tag, value)?;
    match tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING | NUMERIC_STRING => {
            String::from_utf8(bytes.to_vec()).ok()
        }
        // Of one byte each.
        TELETEX_STRING => Some(bytes.iter().copied().map(char::from).collect()),
        BMP_STRING => {
            let units = bytes.chunks(2).map(|pair| match pair {
                [high, low] => Some(u16::from_be_bytes([*high, *low])),
                _ => None,
            });
            String::from_utf16(&units.collect::<Option<Vec<_>>>()?).ok()
        }
        _ => None,
    }
}

/// The content of the DER value of this tag that comes first, and what follows it.
fn take(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    if length < 0x80 {
        return rest.split_at_checked(usize::from(length));
    }
    let digits = usize::from(length & 0x7f);
    if !(1..=3).contains(&digits) {
        return None;
    }
    let (length, rest) = rest.split_at_checked(digits)?;
    let length = length
        .iter()
        .fold(0_usize, |length, digit| (length << 8) | usize::from(*digit));
    rest.split_at_checked(length)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut value = vec![tag];
        match content.len() {
            length @ 0..0x80 => value.push(u8::try_from(length).unwrap()),
            length => value.extend([0x82, u8::try_from(length >> 8).unwrap(), length.to_le_bytes()[0]]),
        }
        value.extend(content);
        value
    }

    fn attribute(kind: [u8; 3], tag: u8, text: &[u8]) -> Vec<u8> {
        let parts = [value(OBJECT_IDENTIFIER, &kind), value(tag, text)].concat();
        value(SET, &value(SEQUENCE, &parts))
    }

    fn block(subject: &[u8]) -> String {
        let info = [value(INTEGER, &[0]), value(SEQUENCE, subject), value(0xa0, &[])].concat();
        let request = value(SEQUENCE, &value(SEQUENCE, &info));
        format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(request))
    }

    /// What `spec.request` says for a client of this name.
    pub fn request_for(name: &str) -> String {
        let organization = attribute([0x55, 0x04, 0x0a], PRINTABLE_STRING, b"people");
        let subject = [organization, attribute(COMMON_NAME, UTF8_STRING, name.as_bytes())].concat();
        STANDARD.encode(block(&subject))
    }

    /// Made by `openssl req -new -newkey ed25519 -nodes -subj "/O=system:nodes/CN=system:node:n1"`.
    const BY_OPENSSL: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIGvMGMCAQAwMDEVMBMGA1UECgwMc3lzdGVtOm5vZGVzMRcwFQYDVQQDDA5zeXN0
ZW06bm9kZTpuMTAqMAUGAytlcAMhAPBia2mmAXlMEXqtd9NEbjDQSsG3UjZP9xqJ
IxW0L0cloAAwBQYDK2VwA0EA98S2obJlZ4AEVzm2YS0cnjt/zTQQgM0tijGSCPDG
lF+sUz0OrkYeuFUheJm3x2tL7a6NJttkBZfIkTC11EigCA==
-----END CERTIFICATE REQUEST-----
";

    #[test]
    fn the_common_name_is_found() {
        assert_eq!(
            common_names(&request_for("system:node:n1")),
            Some(vec!["system:node:n1".to_owned()])
        );
        let long = "x".repeat(300);
        assert_eq!(common_names(&request_for(&long)), Some(vec![long]));
        assert_eq!(
            common_names(&STANDARD.encode(BY_OPENSSL)),
            Some(vec!["system:node:n1".to_owned()])
        );
    }

    #[test]
    fn every_name_of_every_request_counts_in_each_of_its_spellings() {
        let utf16: Vec<u8> = "system:x".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let both = [
            attribute(COMMON_NAME, PRINTABLE_STRING, b"alice"),
            attribute(COMMON_NAME, BMP_STRING, &utf16),
        ];
        let teletex = attribute(COMMON_NAME, TELETEX_STRING, b"bob");
        let pem = format!("noise\n{}{}", block(&both.concat()), block(&teletex));
        assert_eq!(
            common_names(&STANDARD.encode(pem)),
            Some(["alice", "system:x", "bob"].map(str::to_owned).to_vec())
        );
        assert_eq!(common_names(&STANDARD.encode(block(&[]))), Some(Vec::new()));
    }

    #[test]
    fn what_cannot_be_read_is_not_nobody() {
        let good = block(&attribute(COMMON_NAME, UTF8_STRING, b"alice"));
        let odd = block(&attribute(COMMON_NAME, 0x1b, b"alice"));
        let cut = block(&attribute(COMMON_NAME, UTF8_STRING, b"alice")[..9]);
        // A length that is not told is none of DER, whatever follows.
        let endless = [
            &value(OBJECT_IDENTIFIER, &COMMON_NAME)[..],
            &[UTF8_STRING, 0x80],
            &[b'x'; 0x80],
        ]
        .concat();
        let endless = block(&value(SET, &value(SEQUENCE, &endless)));
        for pem in [
            "",
            "alice",
            &odd,
            &cut,
            &endless,
            &good.replace("CERTIFICATE REQUEST", "CERTIFICATE"),
            &good.replace(END, ""),
            &format!("{good}-----BEGIN NONSENSE-----"),
        ] {
            assert_eq!(common_names(&STANDARD.encode(pem)), None, "{pem}");
        }
        assert_eq!(common_names("not base64"), None);
        assert_eq!(common_names(&STANDARD.encode([0xff, 0xfe])), None);
    }
}
