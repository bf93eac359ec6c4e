//! `IoError` of the standard library: the one error type of the file capabilities, and how
//! failures of the system map to it. The message carries the program's own path, never the
//! resolved one.

use std::io;

use super::{HostEnum, HostFailure, HostType, HostValue, HostVariant};

/// Declaration of `error IoError`.
pub static IO_ERROR: HostEnum = HostEnum {
    name: "IoError",
    variants: &[
        HostVariant {
            name: "NotFound",
            fields: &[("path", HostType::Str)],
        },
        HostVariant {
            name: "Denied",
            fields: &[("path", HostType::Str)],
        },
        HostVariant {
            name: "Exists",
            fields: &[("path", HostType::Str)],
        },
        HostVariant {
            name: "Invalid",
            fields: &[("path", HostType::Str), ("why", HostType::Str)],
        },
        HostVariant {
            name: "Other",
            fields: &[("why", HostType::Str)],
        },
    ],
};

/// What methods of files may raise.
pub(super) static ERRORS: [&HostEnum; 1] = [&IO_ERROR];

/// A failed file operation, without its path. A limit that it hit is not an error of the program's.
#[derive(Debug)]
pub(super) enum IoFail {
    NotFound,
    Denied,
    Exists,
    Invalid(String),
    Other(String),
    Trap(HostFailure),
}

impl From<HostFailure> for IoFail {
    fn from(failure: HostFailure) -> Self {
        IoFail::Trap(failure)
    }
}

impl IoFail {
    pub(super) fn from_io(error: &io::Error) -> IoFail {
        use io::ErrorKind as Kind;
        // A link that took the place of what was looked at: treated as a way out.
        if error.raw_os_error() == Some(libc::ELOOP) {
            return IoFail::Denied;
        }
        match error.kind() {
            Kind::NotFound => IoFail::NotFound,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => IoFail::Denied,
            Kind::AlreadyExists => IoFail::Exists,
            Kind::NotADirectory => {
                IoFail::Invalid("a component of the path is not a directory".into())
            }
            Kind::IsADirectory => IoFail::Invalid("is a directory".into()),
            Kind::DirectoryNotEmpty => IoFail::Invalid("the directory is not empty".into()),
            Kind::InvalidFilename | Kind::InvalidInput => {
                IoFail::Invalid("not a valid file name".into())
            }
            Kind::CrossesDevices => {
                IoFail::Invalid("the two paths are on different file systems".into())
            }
            Kind::StorageFull => IoFail::Other("the disk is full".into()),
            Kind::QuotaExceeded => IoFail::Other("the disk quota is used up".into()),
            Kind::FileTooLarge => IoFail::Other("the file may not grow that large".into()),
            Kind::WriteZero => IoFail::Other("not everything could be written".into()),
            _ => IoFail::Other(error.to_string()),
        }
    }

    pub(super) fn at(self, path: &str) -> HostFailure {
        let path = HostValue::str(path);
        let error = |variant, payload| HostFailure::error(&IO_ERROR, variant, payload);
        match self {
            IoFail::NotFound => error("NotFound", vec![path]),
            IoFail::Denied => error("Denied", vec![path]),
            IoFail::Exists => error("Exists", vec![path]),
            IoFail::Invalid(why) => error("Invalid", vec![path, HostValue::str(&why)]),
            IoFail::Other(why) => error("Other", vec![HostValue::str(&why)]),
            IoFail::Trap(failure) => failure,
        }
    }
}
