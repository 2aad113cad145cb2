//! The whole way of a visitor, with numbers compared to the native command's.
