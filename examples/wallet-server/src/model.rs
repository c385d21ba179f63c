//! What the service is about. A value that exists is valid: requests are checked by making one.

/// Above this a wallet takes no deposit. Small enough that every number is exact in every JSON reader.
pub(crate) const LARGEST_BALANCE: i64 = 1_000_000_000_000_000;

/// What is wrong with an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid(pub(crate) &'static str);

/// Somebody who signs up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewUser {
    pub(crate) email: String,
    pub(crate) name: String,
}

impl NewUser {
    pub(crate) fn new(email: &str, name: &str) -> Result<Self, Invalid> {
        let (email, name) = (email.trim(), name.trim());
        let has_two_parts = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if !has_two_parts || email.len() > 254 || email.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Invalid("`email` is not an e-mail address"));
        }
        if name.is_empty() || name.chars().count() > 200 || name.contains(char::is_control) {
            return Err(Invalid("`name` has between 1 and 200 printable characters"));
        }
        Ok(Self { email: email.to_owned(), name: name.to_owned() })
    }
}

/// An amount on its way into a wallet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Deposit {
    pub(crate) currency: String,
    pub(crate) amount_minor: i64,
}

impl Deposit {
    pub(crate) fn new(currency: &str, amount_minor: i64) -> Result<Self, Invalid> {
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Invalid("`currency` is three capital letters such as `EUR`"));
        }
        if !(1..=LARGEST_BALANCE).contains(&amount_minor) {
            return Err(Invalid("`amount_minor` is a whole number of cents above zero and at most 1000000000000000"));
        }
        Ok(Self { currency: currency.to_owned(), amount_minor })
    }

    /// What is told to other services.
    pub(crate) fn event(&self, user_id: i64) -> String {
        let Self { currency, amount_minor } = self;
        serde_json::json!({ "user_id": user_id, "currency": currency, "amount_minor": amount_minor }).to_string()
    }
}

/// A user and what their wallets hold.
#[derive(Debug, serde::Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) wallets: Vec<Wallet>,
}

#[derive(Debug, serde::Serialize)]
pub(crate) struct Wallet {
    pub(crate) currency: String,
    pub(crate) balance_minor: i64,
}

/// A deposit that is booked.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Receipt {
    pub(crate) transaction_id: i64,
    pub(crate) balance_minor: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users() {
        for (email, name) in [("a@b", "A"), (" ada@example.org ", "Ada Lovelace")] {
            assert!(NewUser::new(email, name).is_ok(), "{email:?} {name:?}");
        }
        for (email, name) in
            [("", "A"), ("a", "A"), ("@b", "A"), ("a@", "A"), ("a b@c", "A"), ("a@b", " "), ("a@b", "\0")]
        {
            assert!(NewUser::new(email, name).is_err(), "{email:?} {name:?}");
        }
    }

    #[test]
    fn deposits() {
        assert!(Deposit::new("EUR", 1).is_ok());
        assert!(Deposit::new("EUR", LARGEST_BALANCE).is_ok());
        for (currency, amount) in [("eur", 1), ("EURO", 1), ("€", 1), ("EUR", 0), ("EUR", -1), ("EUR", i64::MAX)] {
            assert!(Deposit::new(currency, amount).is_err(), "{currency} {amount}");
        }
    }
}
