//! Every kind of finding there is: its word, its verdict, what it means, and what to do about it.

use super::Verdict;

/// Declares [`ReasonCode`] and everything that is known of each: this is the one list of all findings.
macro_rules! codes {
    ($($variant:ident $verdict:ident $word:literal $remedy:expr, $meaning:literal)*) => {
        /// The kinds of findings. Each belongs to one verdict.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $(#[doc = $meaning] $variant,)*
        }

        impl ReasonCode {
            /// Every code, from the best verdict to the worst.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The verdict that a finding of this kind leads to.
            #[must_use]
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$variant => Verdict::$verdict,)* }
            }

            /// What it means, as one sentence for the documentation.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do about it, with the command, in which VERSION stands for the migration's. `None` for findings that are compatible: nothing is to be done.
            #[must_use]
            pub const fn remedy(self) -> Option<&'static str> {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    Unknown Compatible "unknown" None,
        "Applied, or being applied, by another version of the program, and nothing forbids this one."
    ChangedInComments Compatible "changed_in_comments" None,
        "Comments or white space differ from what was applied."
    Replaced Compatible "replaced" None,
        "The migrations that it replaces are applied in its place, all of them and unchanged."
    InProgress NeedsMigration "in_progress" Some("`migrate up` waits for the other run and does what is left"),
        "Another run is working on it at this moment."
    Pending NeedsMigration "pending" Some("run `migrate up`"),
        "Not applied yet."
    Interrupted NeedsMigration "interrupted" Some("run `migrate up` to resume it"),
        "Stopped half way, and can be resumed: what was begun of its script is unchanged."
    BlockedByInstances NeedsMigration "blocked_by_instances"
        Some("let the running programs be replaced and run the same command again; or wait for them with `--wait-for-fleet 10m`, or go on without them with `--ignore-instances`; `migrate instances` lists them"),
        "Waits for running programs that it would break."
    NeedsNewerRuntime Incompatible "needs_newer_runtime"
        Some("deploy that version of the program or a newer one, or undo the migration with `migrate down`"),
        "An applied migration needs a newer version of the program."
    Intended Incompatible "intended"
        Some("deploy a version that works with what comes; or stop the run, which `migrate lock show` names, and what it intends is withdrawn"),
        "A run that is under way is about to do what this program does not survive. Only a program that registers is told."
    Changed Incompatible "changed"
        Some("put the released script back, and make the change in a new migration (`migrate new`); or accept it as it is with `migrate repair VERSION`; or, if it is still a draft of your own and the last one applied, run it anew with `migrate redo`"),
        "An applied script was changed in substance."
    ReplacedInPart Incompatible "replaced_in_part"
        Some("bring the database to VERSION with the migrations from before they were squashed: `migrate up --to VERSION` with that program or checkout; `migrate status` there tells what is wrong"),
        "Some of the migrations that it replaces are applied, and not all of them, or not as they were."
    OutOfOrder Incompatible "out_of_order"
        Some("give it a version above every released one, or apply it all the same with `migrate up --allow-out-of-order`"),
        "Pending below an applied version, which is not allowed."
    InterruptedForGood Incompatible "interrupted_for_good"
        Some("put what was begun of its script back as it was, or use a program that holds it, and run `migrate up`; or undo by hand what its finished parts did, then say `migrate repair VERSION --not-applied`; or do the rest by hand, then say `migrate repair VERSION --applied`; what was being undone, `migrate down` finishes with any program"),
        "Stopped half way, and what was begun of its script was changed in substance since, or it is not in this program."
    UnknownMajor Incompatible "unknown_major"
        Some("deploy the program that applied it or a newer one, or undo the migration with `migrate down`"),
        "Applied by a program with a higher MAJOR that recorded no minimum."
    OtherRegistry Incompatible "other_registry"
        Some("give this program tables of its own: `migrate --table NAME`, or the `table` option of its migrator"),
        "The tables belong to another program."
    NewerFormat Incompatible "newer_format"
        Some("use a program built with the version of `migrate` that wrote them, or a newer one"),
        "The tables were written in a format that this version cannot read."
    NoScript Incompatible "no_script"
        Some("add an `up.sql`, or one for this kind of database; `migrate validate` lists what is missing"),
        "The set has no up script for this kind of database."
}
