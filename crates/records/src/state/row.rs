//! What a row of the state is about, told by its key.

use std::fmt;

use crate::jwk::Kid;

/// A row of the state that says who may write what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Entry 0: the first governance, and the name of the log.
    Genesis,
    /// Who governs since the last rotation.
    Governance,
    /// Whose key it is, and from when to when it counts.
    Key(Kid),
    /// What a submitter was granted.
    Submitter(String),
    /// What `submitter` may write for a body that is another's.
    Delegation {
        /// Who may write.
        submitter: String,
        /// Whose objects.
        body: String,
    },
    /// A profile that the log published; shipped ones need no row.
    Profile(String),
    /// How many parts of a code list there are, or one of its codes.
    CodeList(String),
}

impl Row {
    /// `None` for the rows of objects and of rules.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        let (family, rest) = text.split_once('/').unwrap_or((text, ""));
        Some(match family {
            "g" => Self::Genesis,
            "G" => Self::Governance,
            "k" => Self::Key(Kid::parse(rest)?),
            "s" => Self::Submitter(rest.to_owned()),
            "p" | "P" => Self::Profile(rest.to_owned()),
            "c" => Self::CodeList(rest.split('\0').next()?.to_owned()),
            "l" => {
                let (submitter, body) = rest.split_once('\0')?;
                Self::Delegation { submitter: submitter.to_owned(), body: body.to_owned() }
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Genesis => f.write_str("entry 0, which names the keys that govern the log"),
            Self::Governance => f.write_str("what committed to the governance keys"),
            Self::Key(kid) => write!(f, "the registration of key {kid}"),
            Self::Submitter(id) => write!(f, "the registration of {id}"),
            Self::Delegation { submitter, body } => write!(f, "who lent {body} to {submitter}"),
            Self::Profile(id) => write!(f, "the profile {id}"),
            Self::CodeList(list) => write!(f, "the code list {list}"),
        }
    }
}
