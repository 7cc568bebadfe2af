//! Unix sockets: the file that clients connect to.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::listener::{Listen, Listener, UnixSocket};

/// A Unix socket that somebody listens at. The file goes when this is dropped, unless another has taken its place.
pub(super) struct UnixDoor {
    socket: UnixListener,
    path: Box<Path>,
    /// Device and number of the file.
    file: (u64, u64),
}

impl UnixDoor {
    /// Makes the file, in place of one that nobody listens at.
    pub(super) fn bind(wanted: &UnixSocket, backlog: i32) -> io::Result<Self> {
        let UnixSocket { path, mode } = wanted;
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = identity(&fs::symlink_metadata(path)?);
        // Dropped, and the file removed, if something fails from here on.
        let door = Self { socket: socket.into(), path: path.as_path().into(), file };
        // Nobody can connect before it listens: until then it does not matter who may.
        fs::set_permissions(path, Permissions::from_mode(*mode))?;
        let socket = Socket::from(door.socket.try_clone()?);
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        Ok(door)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the socket once more.
    pub(super) fn socket(&self) -> io::Result<UnixListener> {
        self.socket.try_clone()
    }
}

/// Has the file of a socket that stays open the mode that a listener wants now.
pub(super) fn change_mode(before: &Listener, now: &Listener) {
    let (Listen::Unix(before), Listen::Unix(UnixSocket { path, mode })) =
        (&before.listen, &now.listen)
    else {
        return;
    };
    if before.mode != *mode
        && let Err(error) = fs::set_permissions(path, Permissions::from_mode(*mode))
    {
        let path = path.display();
        tracing::error!(
            %error,
            help = "see whose the file is; send SIGHUP again, or start anew",
            "the Unix socket {path} keeps its mode"
        );
    }
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|it| identity(&it) == self.file);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(
                %error,
                path = %self.path.display(),
                help = "remove the file, or leave it to the next start; see who may write to its directory",
                "a Unix socket stays behind"
            );
        }
    }
}

/// Removes a socket that was left behind: one where nobody answers.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            let words = "there is a file that is no socket; remove it or choose another path";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => {
            let words = "another program listens there; stop it or choose another path";
            Err(io::Error::new(io::ErrorKind::AddrInUse, words))
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
