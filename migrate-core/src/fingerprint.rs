//! One number for a whole ledger: what a start compares to learn that nothing is to be done, without reading the rows.
//!
//! It is the sum of a hash of each row, so that a database computes it in any order and answers with one value. The hash is
//! lookup3 by Bob Jenkins, which PostgreSQL has built in as `hashtextextended(text, seed)`; the hash of each value of a row is
//! the seed of the next one's, since a new session of that server looks up one function faster than what would join texts.
//! The number shows what somebody removed or changed by hand, not what somebody forged; one that differs proves nothing but
//! that the rows must be read.

use crate::ledger::Status;

/// Adds up rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fingerprint {
    sum: u64,
}

impl Fingerprint {
    /// Adds a row. Every migration that is wholly in effect counts alike, however it came about.
    pub fn add(&mut self, version: &str, checksum: &str, min_runtime_version: Option<&str>, status: &str) {
        let complete = status.parse().is_ok_and(Status::is_complete);
        let status = if complete { Status::Applied.as_str() } else { status };
        let values = [min_runtime_version.unwrap_or_default(), version, checksum, status];
        let hash = values.iter().fold(0, |seed, value| lookup3(value.as_bytes(), seed));
        self.sum = self.sum.wrapping_add(hash);
    }

    /// The number for all rows so far; 0 for none.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.sum
    }
}

/// The 64-bit form of lookup3 with a seed; 0 is none.
fn lookup3(bytes: &[u8], seed: u64) -> u64 {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let start = 0x9e37_79b9_u32.wrapping_add(length).wrapping_add(3_923_095);
    let mut state = [start; 3];
    if seed != 0 {
        state[0] = state[0].wrapping_add((seed >> 32) as u32);
        state[1] = state[1].wrapping_add(seed as u32);
        mix(&mut state);
    }
    let (blocks, rest) = bytes.as_chunks::<12>();
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        for (word, bytes) in state.iter_mut().zip(words) {
            *word = word.wrapping_add(u32::from_le_bytes(*bytes));
        }
        mix(&mut state);
    }
    // Eight bytes fill two words; the lowest byte of the third stands for the length, so what is left begins above it.
    let (head, tail) = rest.split_at(rest.len().min(8));
    add(&mut state, head, 0);
    add(&mut state, tail, 9);
    finish(&mut state);
    u64::from(state[1]) << 32 | u64::from(state[2])
}

/// Adds bytes to the words, from a place on, lowest byte first.
fn add(state: &mut [u32; 3], bytes: &[u8], from: usize) {
    for (place, byte) in (from..).zip(bytes) {
        let word = &mut state[place / 4];
        *word = word.wrapping_add(u32::from(*byte) << (8 * (place % 4)));
    }
}

fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    *state = [a, b, c];
}

fn finish(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    *state = [a, b, c];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_postgres_computes() {
        let server = testkit::postgres::Server::shared();
        let text = "0123456789abcdef".repeat(9);
        for seed in [0, 1, -1, 0x0123_4567_89ab_cdef_i64] {
            let sql = format!(
                "SELECT string_agg(hashtextextended(left('{text}', n), {seed})::text, ' ' ORDER BY n)
                 FROM generate_series(0, 100) n"
            );
            let of = |n| lookup3(&text.as_bytes()[..n], seed.cast_unsigned()).cast_signed().to_string();
            assert_eq!((0..=100).map(of).collect::<Vec<_>>().join(" "), server.psql(&sql).trim(), "{seed}");
        }
    }

    #[test]
    fn sees_every_change_but_the_order_and_the_way_to_completion() {
        let of = |rows: &[(&str, &str, Option<&str>, &str)]| {
            let mut fingerprint = Fingerprint::default();
            rows.iter().for_each(|(version, checksum, minimum, status)| {
                fingerprint.add(version, checksum, *minimum, status);
            });
            fingerprint.value()
        };
        let one = ("1.0.0", "aa", None, "applied");
        let two = ("1.1.0", "bb", Some("1.0.0"), "applied");
        let set = of(&[one, two]);
        assert_eq!(set, of(&[two, one]));
        assert_eq!(set, of(&[one, (two.0, two.1, two.2, "baseline")]));
        for other in [
            of(&[one]),
            of(&[one, two, ("1.2.0", "cc", None, "applied")]),
            of(&[one, (two.0, "bc", two.2, two.3)]),
            of(&[(one.0, two.1, one.2, one.3), (two.0, one.1, two.2, two.3)]),
            of(&[one, (two.0, two.1, None, two.3)]),
            of(&[one, (two.0, two.1, two.2, "applying")]),
            of(&[one, (two.0, two.1, two.2, "reverting")]),
            of(&[one, (two.0, two.1, two.2, "lost")]),
        ] {
            assert_ne!(set, other);
        }
    }
}
