//! The paths that tiles and bundles are served under: one for each, and nothing else parses.

use std::fmt;

use crate::bundle::BundleCoord;
use crate::encoding;
use crate::tile::{TILE_WIDTH_MAX, TileCoord, TileError};

/// The path of a tile or an entry bundle below a log's prefix: canonical, and nothing else parses.
///
/// Spec: c2sp.org/tlog-tiles §Merkle Tree and §Log Entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TilePath {
    /// `tile/<level>/<index>[.p/<width>]`
    Hash(TileCoord),
    /// `tile/entries/<index>[.p/<width>]`
    Entries(BundleCoord),
}

impl TilePath {
    /// Reads a path such as `tile/0/x001/234.p/8`.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let parsed = Self::parse_loosely(path).ok_or(TileError::Path)?;
        // One path per tile: what would print differently (`x000/001`, `.p/08`) is refused here.
        if parsed.to_string() == path { Ok(parsed) } else { Err(TileError::Path) }
    }

    fn parse_loosely(path: &str) -> Option<Self> {
        if path.len() > PATH_BYTES_MAX {
            return None;
        }
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, partial_width(width)?),
            None => (rest, TILE_WIDTH_MAX),
        };
        let index = index_from_path(index)?;
        if kind == "entries" {
            return BundleCoord::new(index, width).ok().map(Self::Entries);
        }
        let level = u8::try_from(encoding::canonical_decimal(kind)?).ok()?;
        TileCoord::new(level, index, width).ok().map(Self::Hash)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(tile) => {
                write!(f, "tile/{}/", tile.level())?;
                write_index_and_width(f, tile.index(), tile.width())
            }
            Self::Entries(bundle) => {
                f.write_str("tile/entries/")?;
                write_index_and_width(f, bundle.index(), bundle.width())
            }
        }
    }
}

/// Groups of three digits, most significant first, all but the last after an `x`.
fn write_index_and_width(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    let last = groups.remove(0);
    for group in groups.iter().rev() {
        write!(f, "x{group:03}/")?;
    }
    write!(f, "{last:03}")?;
    if width < TILE_WIDTH_MAX { write!(f, ".p/{width}") } else { Ok(()) }
}

fn index_from_path(path: &str) -> Option<u64> {
    let mut index = 0_u64;
    for group in path.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(index)
}

fn partial_width(text: &str) -> Option<u16> {
    let width = u16::try_from(encoding::canonical_decimal(text)?).ok()?;
    (width < TILE_WIDTH_MAX).then_some(width)
}

/// No canonical path is longer: `tile/entries/`, six groups, `.p/255`.
const PATH_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests;
