//! Fingerprints of scripts: SHA-256 over a canonical form of the text.
//!
//! The canonical form is UTF-8 without a byte-order mark and with every CR LF turned into LF; nothing else is changed.
//! A file therefore has the same checksum on every platform and after every git conversion of line ends, and for a file
//! that is already canonical it is what `sha256sum` prints.

use std::fmt;
use std::str::FromStr;

use hmac_sha256::Hash as Sha256;

/// The name under which the state row records how checksums are computed.
pub const ALGORITHM: &str = "sha256-lf";

/// A SHA-256 value; written as 64 lower-case hexadecimal digits.
///
/// ```
/// use migrate_core::checksum::Checksum;
///
/// let unix = Checksum::of("SELECT 1;\nSELECT 2;\n");
/// assert_eq!(unix, Checksum::of("SELECT 1;\r\nSELECT 2;\r\n"));
/// assert_eq!(unix.to_string().parse(), Ok(unix));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The checksum whose bytes are already known, as in an embedded registry.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The checksum of a text, taken over its canonical line ends.
    #[must_use]
    pub fn of(text: &str) -> Self {
        // Most texts are canonical already, and the search below is slow where nothing is optimised: in the macro.
        if !text.as_bytes().contains(&b'\r') {
            return Self(Sha256::hash(text.as_bytes()));
        }
        let mut hasher = Sha256::new();
        let mut lines = text.split("\r\n");
        hasher.update(lines.next().unwrap_or_default());
        for line in lines {
            hasher.update("\n");
            hasher.update(line);
        }
        Self(hasher.finalize())
    }

    /// The next value of a chain: over this value and then the text.
    #[must_use]
    pub fn chain(self, text: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(text);
        Self(hasher.finalize())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Not `write!` of each byte: the macro, where nothing is optimised, shows every checksum of a set.
        let mut text = [0; 64];
        let mut index = 0;
        while index < 32 {
            text[2 * index] = DIGITS[usize::from(self.0[index] >> 4)];
            text[2 * index + 1] = DIGITS[usize::from(self.0[index] & 0xf)];
            index += 1;
        }
        f.write_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    /// # Errors
    ///
    /// Anything but 64 lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(ChecksumError),
        };
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(ChecksumError);
        }
        for (value, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *value = digit(pair[0])? * 16 + digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// A text is no [`Checksum`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumError;

impl fmt::Display for ChecksumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a checksum is 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for ChecksumError {}

/// The text of a file: without a byte-order mark, otherwise as it stands.
///
/// # Errors
///
/// A byte sequence that is not UTF-8, a file saved as UTF-16 or Latin-1 for example.
pub fn decode(bytes: &[u8]) -> Result<&str, std::str::Utf8Error> {
    std::str::from_utf8(bytes).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_sha256sum_on_a_canonical_file() {
        assert_eq!(
            Checksum::of("SELECT 1;\n").to_string(),
            "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd"
        );
    }

    /// What is recorded in ledgers must not change, whichever crate computes it.
    #[test]
    fn is_sha256_for_every_length() {
        use sha2::Digest;
        let text = "x".repeat(200);
        for length in 0..text.len() {
            let expect: [u8; 32] = sha2::Sha256::digest(&text[..length]).into();
            assert_eq!(*Checksum::of(&text[..length]).as_bytes(), expect, "{length}");
        }
    }

    #[test]
    fn ignores_only_the_byte_order_mark_and_carriage_returns_before_line_feeds() {
        let plain = Checksum::of("a\nb\n");
        assert_eq!(plain, Checksum::of(decode(b"\xef\xbb\xbfa\r\nb\r\n").unwrap()));
        for other in ["a\nb", "a\rb\n", "a\r\r\nb\n", " a\nb\n", "a\n\nb\n"] {
            assert_ne!(plain, Checksum::of(other), "{other:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_checksum() {
        assert_eq!("".parse::<Checksum>(), Err(ChecksumError));
        assert_eq!("g".repeat(64).parse::<Checksum>(), Err(ChecksumError));
        assert_eq!("A".repeat(64).parse::<Checksum>(), Err(ChecksumError));
        assert!(decode(&[0xff, 0xfe, b'a', 0]).is_err());
    }
}
