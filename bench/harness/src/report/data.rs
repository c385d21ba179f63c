//! Questions to the results.

use std::collections::BTreeMap;

use crate::results::Record;

/// All results.
#[derive(Debug)]
pub(crate) struct Data(Vec<Record>);

/// Which results are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'k> {
    pub(crate) program: &'k str,
    /// `None` for what has none: compiling.
    pub(crate) database: Option<&'k str>,
    pub(crate) operation: &'k str,
    pub(crate) size: usize,
    pub(crate) delay: u64,
    pub(crate) processes: usize,
}

impl<'k> Key<'k> {
    /// One process, no delay.
    pub(crate) fn new(program: &'k str, database: &'k str, operation: &'k str, size: usize) -> Self {
        Self { program, database: Some(database), operation, size, delay: 0, processes: 1 }
    }

    /// What a build cost.
    pub(crate) fn build(program: &'k str, operation: &'k str, size: usize) -> Self {
        Self { program, database: None, operation, size, delay: 0, processes: 1 }
    }
}

impl Data {
    pub(crate) fn new(records: Vec<Record>) -> Self {
        Self(records)
    }

    /// The middle one of all samples.
    pub(crate) fn median(&self, key: Key<'_>, value: &str) -> Option<f64> {
        median(self.rounds(key, value).into_values().flatten().collect())
    }

    /// The least of all samples: what else the machine does only adds to a time.
    pub(crate) fn least(&self, key: Key<'_>, value: &str) -> Option<f64> {
        self.rounds(key, value).into_values().flatten().min_by(f64::total_cmp)
    }

    /// The sum of all samples, and how many there are.
    pub(crate) fn sum(&self, key: Key<'_>, value: &str) -> Option<(f64, usize)> {
        let samples: Vec<f64> = self.rounds(key, value).into_values().flatten().collect();
        (!samples.is_empty()).then(|| (samples.iter().sum(), samples.len()))
    }

    /// How many times as much as another: of each round, the median by the other's median of the same round; and of these the
    /// median.
    pub(crate) fn ratio(&self, key: Key<'_>, other: Key<'_>, value: &str) -> Option<f64> {
        let others = self.rounds(other, value);
        let ratios = self.rounds(key, value).into_iter().filter_map(|(round, samples)| {
            let other = median(others.get(&round)?.clone())?;
            Some(median(samples)? / other)
        });
        median(ratios.collect())
    }

    /// The same of the least of all samples.
    pub(crate) fn least_ratio(&self, key: Key<'_>, other: Key<'_>, value: &str) -> Option<f64> {
        Some(self.least(key, value)? / self.least(other, value)?)
    }

    /// The size of the set that most tables are about: 1,000, or less if that was not measured.
    pub(crate) fn usual(&self, database: &str) -> usize {
        let measured = |size| self.0.iter().any(|record| record.database == database && record.size == size);
        if measured(1000) { 1000 } else { 100 }
    }

    fn rounds(&self, key: Key<'_>, value: &str) -> BTreeMap<usize, Vec<f64>> {
        let mut rounds = BTreeMap::<usize, Vec<f64>>::new();
        let meant = self.0.iter().filter(|record| {
            record.program == key.program
                && record.database == key.database.unwrap_or_default()
                && record.operation == key.operation
                && (record.size, record.delay, record.processes) == (key.size, key.delay, key.processes)
        });
        for record in meant {
            rounds.entry(record.round).or_default().extend(record.values.get(value));
        }
        rounds.retain(|_, samples| !samples.is_empty());
        rounds
    }
}

fn median(mut samples: Vec<f64>) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    let upper = *samples.get(middle)?;
    Some(if samples.len() % 2 == 1 { upper } else { f64::midpoint(samples[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(program: &str, round: usize, wall: f64) -> Record {
        let record = Record { program: program.to_owned(), database: "sqlite".to_owned(), round, ..Record::default() };
        Record { operation: "fresh".to_owned(), size: 1, processes: 1, ..record }.value("wall", wall)
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let samples = [("a", 1, 10.0), ("b", 1, 5.0), ("a", 2, 90.0), ("b", 2, 30.0), ("a", 3, 8.0), ("a", 2, 92.0)];
        let data = Data::new(samples.map(|(program, round, wall)| record(program, round, wall)).to_vec());
        let [a, b] = ["a", "b"].map(|program| Key::new(program, "sqlite", "fresh", 1));
        // 10 / 5 and 91 / 30; the third round of `a` has nothing beside it.
        let expected = f64::midpoint(2.0, 91.0 / 30.0);
        assert!(data.ratio(a, b, "wall").is_some_and(|ratio| (ratio - expected).abs() < 1e-9));
        assert_eq!(data.least_ratio(a, b, "wall"), Some(8.0 / 5.0));
        assert_eq!(data.median(a, "wall"), Some(50.0));
        assert_eq!(data.median(a, "cpu"), None);
        assert_eq!(data.ratio(a, Key { size: 2, ..b }, "wall"), None);
    }
}
