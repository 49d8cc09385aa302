//! Where a string ends, found for 16 bytes at a time.

use wide::u8x16;

/// The place of the first byte that does not stand for itself: a quote, a backslash or a control character.
pub(super) fn first_special(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<16>();
    for (index, block) in blocks.iter().enumerate() {
        let marks = marks(*block);
        if marks != 0 {
            return Some(index * 16 + marks.trailing_zeros() as usize);
        }
    }
    let place = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | ..=CONTROL))?;
    Some(text.len() - rest.len() + place)
}

/// What comes behind the string that was opened just before.
pub(super) fn behind_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        let (special, rest) = text.get(first_special(text)?..)?.split_first()?;
        text = match special {
            b'"' => return Some(rest),
            b'\\' => rest.get(1..)?,
            _ => rest,
        };
    }
}

/// The last of the control characters.
const CONTROL: u8 = 0x1f;

/// A bit for each byte, the first the lowest: whether it is special.
fn marks(block: [u8; 16]) -> u32 {
    let bytes = u8x16::new(block);
    let quotes = bytes.simd_eq(u8x16::splat(b'"'));
    let escapes = bytes.simd_eq(u8x16::splat(b'\\'));
    let controls = bytes.simd_eq(bytes.min(u8x16::splat(CONTROL)));
    (quotes | escapes | controls).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_special_byte_is_found(
            plain in "[ !#-\\[\\]-~\u{e9}\u{1f600}\u{7f}]{0,40}",
            rest in "\\PC{0,40}",
        ) {
            prop_assert_eq!(first_special(plain.as_bytes()), None);
            for byte in (0..0x20).chain([b'"', b'\\']) {
                let text = [plain.as_bytes(), &[byte], rest.as_bytes()].concat();
                prop_assert_eq!(first_special(&text), Some(plain.len()));
            }
        }
    }
}
