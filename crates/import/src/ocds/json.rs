//! JSON without losing a byte of it: objects as their members' texts.
//!
//! Values are never turned into numbers, maps or strings before somebody asks for one, so an amount
//! of twenty digits is still one, and the bytes of a release are those of the file.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object, each once: of two with one name, every reader would take another.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    /// The members of an object; `None` if the text is something else.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text of a member. One that is `null` counts as absent, as OCDS has it.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|text| *text != "null")
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    pub(super) fn object(&self, name: &str) -> Option<Self> {
        Self::of(self.get(name)?)
    }

    /// The objects of a member that is a list; those of its items that are none are passed over.
    pub(super) fn objects(&self, name: &str) -> Vec<Self> {
        let list =
            self.get(name).and_then(|text| serde_json::from_str::<Vec<&RawValue>>(text).ok());
        let items = list.unwrap_or_default();
        items.into_iter().filter_map(|item| Self::of(item.get())).collect()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format!("two members called `{name}`")));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// Whether these bytes are one JSON document by themselves.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    is_flat_enough(bytes) && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// The releases of a document, as they stand in it.
///
/// # Errors
/// In words, if it is neither a release nor a release package.
pub(super) fn releases(text: &str) -> Result<Vec<&str>, String> {
    if !is_flat_enough(text.as_bytes()) {
        return Err(format!("JSON more than {DEPTH_MAX} levels deep"));
    }
    let whole: &RawValue =
        serde_json::from_str(text).map_err(|error| format!("no JSON that can be read: {error}"))?;
    let members: Members<'_> = serde_json::from_str(whole.get()).map_err(|error| {
        format!("neither a release nor a release package of OCDS, which are objects: {error}")
    })?;
    if let Some(releases) = members.get("releases") {
        let releases: Vec<&RawValue> = serde_json::from_str(releases)
            .map_err(|_| "a release package whose `releases` are no list".to_owned())?;
        return Ok(releases.into_iter().map(RawValue::get).collect());
    }
    if members.get("ocid").is_some() {
        return Ok(vec![whole.get()]);
    }
    let words = if members.get("records").is_some() {
        "an OCDS record package: what was compiled from releases. Submit the releases themselves"
    } else {
        "neither an OCDS release (it has no `ocid`) nor a release package (it has no `releases`)"
    };
    Err(words.to_owned())
}

/// Whether nothing is nested deeper than [`DEPTH_MAX`], without any recursion. Of what is no JSON
/// it says nothing.
fn is_flat_enough(bytes: &[u8]) -> bool {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' | b'[' if !is_string => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return false;
                }
            }
            b'}' | b']' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Levels of a document: OCDS has about ten.
pub(super) const DEPTH_MAX: usize = 64;
