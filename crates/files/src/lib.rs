//! Files that are whole or absent after a crash, locks, and private keys that nobody else can read.
//!
//! It guarantees that a name never stands for a part of what was to be written, that what was said to
//! be written survives a power cut, and that a key is judged by the file it is read from. It knows
//! nothing of what is in the files, and starts no thread and no process.
//!
//! | module | what it is |
//! |---|---|
//! | `durable` | replacing and creating files and folders |
//! | `lock` | one holder at a time, for the life of a value |
//! | `key` | private keys on disk |
//! | `json` | a JSON document that is replaced as a whole |

mod durable;
mod json;
mod key;
mod lock;

pub use durable::{
    Access, Replacement, create, create_folder, folder_of, replace, replace_with, sync_folder,
};
pub use json::{JsonError, read_json, replace_json};
pub use key::{KeyFileError, KeyForm, create_private_key, read_private_key, read_secret};
pub use lock::{FileLock, LockError, lock_file, lock_folder, wait_for_lock};
