//! [`Doors`]: what a broker listens on, while it runs. A reload opens some, closes some and changes what the others say.

use std::mem;
use std::net::TcpListener;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::accept::{BindError, Door, DoorSocket, Spot, bind, spots};
use super::eras::Eras;
use super::unix::change_mode;
use crate::blocking::block_on;
use crate::limits::Limits;
use crate::listener::{Listener, Listening};
use crate::settings::Settings;

/// What a broker listens on. A clone is a reference to the same.
#[derive(Clone)]
pub(crate) struct Doors(Arc<Inside>);

struct Inside {
    open: Mutex<Vec<OpenDoor>>,
    /// Those that nobody accepts from yet.
    new: Mutex<New>,
    /// Told when there are some, and when there will be no more.
    news: Notify,
    limits: watch::Sender<Limits>,
    eras: Eras,
}

#[derive(Default)]
struct New {
    doors: Vec<NewDoor>,
    is_closed: bool,
}

struct OpenDoor {
    spot: Spot,
    listening: Listening,
    /// The socket once more, if it is one of TCP.
    socket: Option<TcpListener>,
    /// The door closes when this is dropped.
    listener: watch::Sender<Arc<Listener>>,
    /// Told when it has.
    closed: Arc<Notify>,
    trouble: Trouble,
}

/// Why nobody comes in by a door for now, if so. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(super) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    pub(super) fn begin(&self, why: &impl ToString) {
        *self.0.lock() = Some(why.to_string());
    }

    pub(super) fn end(&self) {
        *self.0.lock() = None;
    }
}

/// A door that somebody is to accept from, until what its listener says is not sent any more.
pub(super) struct NewDoor {
    socket: DoorSocket,
    listener: watch::Receiver<Arc<Listener>>,
    guard: CloseGuard,
    trouble: Trouble,
}

impl NewDoor {
    /// Takes it apart; the guard is to be dropped after the socket.
    pub(super) fn open(self) -> (DoorSocket, watch::Receiver<Arc<Listener>>, Trouble, CloseGuard) {
        (self.socket, self.listener, self.trouble, self.guard)
    }
}

/// Tells that a door is closed when this is dropped.
pub(super) struct CloseGuard(Arc<Notify>);

impl Drop for CloseGuard {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Doors that are bound, and others that are to change: nothing has happened yet.
pub(crate) struct Change {
    bound: Vec<Door>,
    kept: Vec<(Spot, Arc<Listener>)>,
}

impl Doors {
    pub(crate) fn new(doors: Vec<Door>, limits: Limits) -> Self {
        let (open, new, news) = (Mutex::default(), Mutex::default(), Notify::new());
        let (limits, eras) = (watch::channel(limits).0, Eras::default());
        let made = Self(Arc::new(Inside { open, new, news, limits, eras }));
        made.add(doors);
        made
    }

    /// Returns what is listened on, in the order in which it was opened.
    pub(crate) fn listening(&self) -> Vec<Listening> {
        self.0.open.lock().iter().map(|door| door.listening.clone()).collect()
    }

    /// Returns by which doors nobody comes in for now, and why.
    pub(crate) fn troubles(&self) -> Vec<(Listening, String)> {
        let open = self.0.open.lock();
        let trouble = |door: &OpenDoor| {
            let why = door.trouble.0.lock().clone()?;
            Some((door.listening.clone(), why))
        };
        open.iter().filter_map(trouble).collect()
    }

    pub(crate) fn limits(&self) -> watch::Receiver<Limits> {
        self.0.limits.subscribe()
    }

    /// Returns by what it is known who was accepted before a change of who may come in.
    pub(crate) fn eras(&self) -> &Eras {
        &self.0.eras
    }

    /// Binds what these listeners have and nobody has yet.
    pub(crate) fn prepare(&self, settings: &Settings) -> Result<Change, Vec<BindError>> {
        let mut kept = Vec::new();
        let is_open = |spot: &Spot| self.0.open.lock().iter().any(|door| door.spot == *spot);
        for listener in &settings.listeners {
            let listener = Arc::new(listener.clone());
            let spots = spots(&listener).into_iter().filter(is_open);
            kept.extend(spots.map(|spot| (spot, listener.clone())));
        }
        let is_kept = |door: &OpenDoor| kept.iter().any(|(spot, _)| *spot == door.spot);
        let open = self.0.open.lock();
        let given_up = open.iter().filter(|door| !is_kept(door));
        let given_up = given_up.filter_map(|door| door.socket.as_ref()?.try_clone().ok());
        let given_up: Vec<_> = given_up.collect();
        drop(open);
        let bound = bind(settings, is_open, &given_up)?;
        Ok(Change { bound, kept })
    }

    /// Opens, changes and closes doors, and returns when those that close are closed. Connections stay.
    pub(crate) fn apply(&self, change: Change, limits: Limits) {
        let Change { bound, kept } = change;
        self.0.limits.send_replace(limits);
        let mut closing = Vec::new();
        {
            let mut open = self.0.open.lock();
            for door in mem::take(&mut *open) {
                match kept.iter().find(|(spot, _)| *spot == door.spot) {
                    Some((_, listener)) => {
                        change_mode(&door.listener.borrow(), listener);
                        door.listener.send_replace(listener.clone());
                        let listening = Listening { scheme: listener.scheme(), ..door.listening };
                        open.push(OpenDoor { listening, ..door });
                    }
                    None => closing.push(door),
                }
            }
        }
        self.add(bound);
        for door in closing {
            let closed = door.closed.clone();
            drop(door);
            block_on(closed.notified());
        }
    }

    fn add(&self, doors: Vec<Door>) {
        let (mut open, mut new) = (self.0.open.lock(), self.0.new.lock());
        for Door { socket, spot, listener } in doors {
            let Some(place) = socket.place() else { continue };
            let listening = Listening { scheme: listener.scheme(), place };
            let handle = socket.handle();
            let (sender, receiver) = watch::channel(listener);
            let closed = Arc::new(Notify::new());
            let trouble = Trouble(Arc::new(Mutex::new(Some("it is not open yet".to_owned()))));
            let guard = CloseGuard(closed.clone());
            let door = NewDoor { socket, listener: receiver, guard, trouble: trouble.clone() };
            let socket = handle;
            open.push(OpenDoor { spot, listening, socket, listener: sender, closed, trouble });
            if !new.is_closed {
                new.doors.push(door);
            }
        }
        drop((open, new));
        self.0.news.notify_one();
    }

    /// Returns doors to accept from, as soon as there are some; `None` when there will be no more.
    pub(super) async fn next(&self) -> Option<Vec<NewDoor>> {
        loop {
            {
                let mut new = self.0.new.lock();
                if new.is_closed {
                    return None;
                }
                if !new.doors.is_empty() {
                    return Some(mem::take(&mut new.doors));
                }
            }
            self.0.news.notified().await;
        }
    }

    /// Closes all doors, for good. What they were is still told.
    pub(super) fn close(&self) {
        let mut new = self.0.new.lock();
        new.is_closed = true;
        new.doors.clear();
        drop(new);
        for door in &mut *self.0.open.lock() {
            // Whoever accepts hears that the one before is gone.
            let last = door.listener.borrow().clone();
            door.listener = watch::channel(last).0;
            door.socket = None;
            door.trouble.begin(&"the broker stops");
        }
        self.0.news.notify_one();
    }
}
