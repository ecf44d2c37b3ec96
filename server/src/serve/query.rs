//! The query of a request.

use percent_encoding::percent_decode_str;

/// The name-value pairs of a query, percent-decoded. What is not of the form `%XX` stays as it is; bytes
/// that are not UTF-8 become the replacement character, which no name contains.
pub(super) fn url_pairs(query: &str) -> impl Iterator<Item = (&str, String)> {
    query.split('&').filter(|it| !it.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name, percent_decode_str(value).decode_utf8_lossy().into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_percent_decoded() {
        let pairs: Vec<_> = url_pairs("prefix=GB-LAE%2FDEV%2fx&after=%zz&").collect();
        assert_eq!(pairs, [("prefix", "GB-LAE/DEV/x".to_owned()), ("after", "%zz".to_owned())]);
    }
}
