//! Where a map or list ends, found for 64 bytes at a time and without a branch on what they are.
//!
//! The way of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019): every question about the
//! bytes of a block is answered by one bit for each of them.

use wide::u8x16;

const BLOCK: usize = 64;

/// What comes behind the map or list that was opened just before.
pub(super) fn behind_nested(text: &[u8]) -> Option<&[u8]> {
    let mut state = State {
        open: 1,
        within: 0,
        escape: 0,
    };
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        if let Some(end) = state.end_in(block) {
            return text.get(index * BLOCK + end + 1..);
        }
    }
    let mut last = [b' '; BLOCK];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    let end = state.end_in(&last)?;
    rest.get(end + 1..)
}

/// What the blocks so far leave to the next.
struct State {
    /// Maps and lists that are open.
    open: u32,
    /// All bits, if a string is open.
    within: u64,
    /// The lowest bit, if the last byte escapes the next.
    escape: u64,
}

impl State {
    /// The place of the byte that closes what was open at the beginning.
    fn end_in(&mut self, block: &[u8; BLOCK]) -> Option<usize> {
        let marks = Marks::of(block);
        let quotes = marks.quotes & !self.escaped(marks.escapes);
        let within = parity(quotes) ^ self.within;
        self.within = (within >> 63).wrapping_neg();
        let (opens, closes) = (marks.opens & !within, marks.closes & !within);
        if self.open <= closes.count_ones()
            && let Some(end) = self.end_among(opens, closes)
        {
            return Some(end);
        }
        self.open = self.open + opens.count_ones() - closes.count_ones();
        None
    }

    /// The bytes that an odd number of backslashes comes before.
    fn escaped(&mut self, escapes: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let first = escapes & !self.escape;
        // The subtraction ends every run of backslashes, and tells from where it began if its length is odd.
        let codes = ((first << 1) | ODD).wrapping_sub(first) ^ ODD;
        let escaped = codes ^ (escapes | self.escape);
        self.escape = (codes & escapes) >> 63;
        escaped
    }

    fn end_among(&self, opens: u64, closes: u64) -> Option<usize> {
        let mut rest = closes;
        while rest != 0 {
            let close = rest & rest.wrapping_neg();
            let before = close - 1;
            if self.open + (opens & before).count_ones() == (closes & before).count_ones() + 1 {
                return usize::try_from(close.trailing_zeros()).ok();
            }
            rest ^= close;
        }
        None
    }
}

/// For each bit, whether the number of bits up to it is odd.
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// A bit for each byte of a block, the first the lowest.
#[derive(Default)]
struct Marks {
    quotes: u64,
    escapes: u64,
    opens: u64,
    closes: u64,
}

impl Marks {
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut marks = Self::default();
        // The last part is the highest.
        for part in block.as_chunks::<16>().0.iter().rev() {
            let bytes = u8x16::new(*part);
            // Brackets and braces differ in this bit.
            let braces = bytes | u8x16::splat(0x20);
            marks.quotes = marks.quotes << 16 | equal(bytes, b'"');
            marks.escapes = marks.escapes << 16 | equal(bytes, b'\\');
            marks.opens = marks.opens << 16 | equal(braces, b'{');
            marks.closes = marks.closes << 16 | equal(braces, b'}');
        }
        marks
    }
}

fn equal(bytes: u8x16, byte: u8) -> u64 {
    u64::from(bytes.simd_eq(u8x16::splat(byte)).to_bitmask())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::behind_nested;

    /// Byte by byte.
    fn naive(text: &[u8]) -> Option<&[u8]> {
        let (mut open, mut in_string, mut escaped) = (1_usize, false, false);
        for (at, byte) in text.iter().enumerate() {
            let is_escaped = std::mem::take(&mut escaped);
            match byte {
                b'"' | b'\\' if is_escaped => {}
                b'\\' => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => open += 1,
                b'}' | b']' if !in_string => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Some(&text[at + 1..]);
            }
        }
        None
    }

    #[test]
    fn what_folds_to_a_brace_is_none() {
        assert_eq!(behind_nested(b"\x5b\x5d} rest"), Some(&b" rest"[..]));
        assert_eq!(behind_nested(b"; = ] rest"), Some(&b" rest"[..]));
    }

    proptest! {
        #[test]
        fn the_end_is_where_every_byte_says(text in "([{}\\[\\]\"\\\\a ]|a{15}|\\\\\\\\|[\\PC]){0,300}") {
            prop_assert_eq!(behind_nested(text.as_bytes()), naive(text.as_bytes()));
        }

        #[test]
        fn strings_hide_brackets_across_blocks(inner in "([{}\\[\\]]|\\\\\"|\\\\\\\\|a{0,40}){0,200}", rest in "\\PC{0,80}") {
            let text = format!("\"{inner}\":[]}}{rest}");
            prop_assert_eq!(behind_nested(text.as_bytes()), Some(rest.as_bytes()));
        }
    }
}
