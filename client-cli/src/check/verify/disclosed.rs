//! Values that somebody opened: each must be the one whose digest stands in an entry of the file.

use super::broken::{Broken, Link};
use super::findings::Findings;
use crate::share::disclosures::Disclosures;

/// Puts the opened values where their digests stand.
///
/// # Errors
/// [`Link::Disclosure`] for the first that is not what was sealed there: what is not checked is not
/// shown.
pub(super) fn open(file: &Disclosures, findings: &mut Findings) -> Result<(), Broken> {
    let broken = |index, why| Broken { proof: 0, index, link: Link::Disclosure, why };
    if file.log != findings.log {
        let why = format!("the disclosures are of {}, the receipts of {}", file.log, findings.log);
        return Err(broken(None, why));
    }
    for opened in file.open().map_err(|why| broken(None, why))? {
        let item = &opened.item;
        let place = format!("{} of {}, revision {}", item.path, item.object, item.rev);
        let entry = findings
            .entries
            .iter_mut()
            .find(|it| it.object == item.object && it.rev == item.rev)
            .ok_or_else(|| broken(None, format!("{place}: there is no receipt of this record")))?;
        let index = entry.index;
        let digest = opened.digest.to_string();
        let mut fields = entry.sealed.iter_mut();
        let field = fields.find(|it| it.path == item.path && it.digest == digest);
        let field = field.ok_or_else(|| {
            let why = format!("{place}: another value was sealed there, its digest is different");
            broken(Some(index), why)
        })?;
        field.opened = Some(opened.value);
    }
    Ok(())
}
