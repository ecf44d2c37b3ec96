//! Hexadecimal digits as `sha256sum` prints them: lower case, and nothing else is read.

/// Reads 64 digits.
pub fn decode_32(text: &str) -> Option<[u8; 32]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    rest.is_empty().then_some(bytes)?.try_into().ok()
}

/// Two digits for each byte.
pub fn encode(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::{decode_32, encode};

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8).unwrap());
        let text = encode(&bytes);
        assert_eq!((text.len(), &text[..6]), (64, "000810"));
        assert_eq!(decode_32(&text), Some(bytes));
        for wrong in ["", &text[1..], &format!("{text}0"), &format!("{text}00")] {
            assert_eq!(decode_32(wrong), None, "{wrong}");
        }
        assert_eq!(decode_32(&text.to_uppercase()), None);
        assert_eq!(decode_32(&text.replacen("00", "+0", 1)), None);
        assert_eq!(decode_32(&text.replacen("00", "é", 1)), None);
    }
}
