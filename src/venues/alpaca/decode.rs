//! Why bytes from the venue were not taken.

/// Why a frame or body was not taken. None is fatal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("neither JSON nor MessagePack")]
    Malformed,
    #[error("a message that ends too early")]
    Truncated,
    #[error("a message of a kind that is not read here")]
    UnknownType,
    #[error("a symbol that is not configured")]
    UnknownSymbol,
    #[error("member `{0}` is not a number this venue may send (or has more than nine decimals)")]
    BadNumber(&'static str),
    #[error("member `{0}` has another type than documented, or a value that does not exist")]
    BadField(&'static str),
    #[error("member `{0}` is missing")]
    MissingField(&'static str),
}
