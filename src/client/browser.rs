//! Carries out what the [`Desk`] decides: a module worker, its messages, futures.

use super::desk::{Desk, Effect, Event};
use crate::protocol::*;
use serde::Serialize;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use vecmap::VecMap;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

/// Relative to the page, so that it is found under any path.
const WORKER: &str = "./worker_loader.js";

/// A handle to the engine; clones share one worker.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    desk: RefCell<Desk>,
    worker: RefCell<Option<Live>>,
    sinks: RefCell<VecMap<JobId, Sink>>,
    on_event: Box<dyn Fn(Event)>,
}

/// A worker with what listens to it.
struct Live {
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// Where news of one call goes.
struct Sink {
    progress: Rc<dyn Fn(Progress)>,
    slot: Rc<RefCell<Answer>>,
}

#[derive(Default)]
struct Answer {
    result: Option<Result<Outcome, Failure>>,
    waker: Option<Waker>,
}

/// An answer on its way. Dropping it does not stop the job; [`Client::cancel`] does.
pub struct Call {
    job: JobId,
    slot: Rc<RefCell<Answer>>,
}

/// Where the worker is. A page that was opened with `?hub=` hands it on: a mirror of the hub on its own server.
fn worker_url() -> String {
    let query = web_sys::window().and_then(|window| window.location().search().ok()).unwrap_or_default();
    let hub = web_sys::UrlSearchParams::new_with_str(&query).ok().and_then(|query| query.get("hub"));
    match hub {
        Some(hub) => format!("{WORKER}?hub={}", String::from(js_sys::encode_uri_component(&hub))),
        None => WORKER.to_owned(),
    }
}

impl Call {
    /// Names the job, for [`Client::cancel`].
    #[must_use]
    pub fn job(&self) -> JobId {
        self.job
    }
}

impl Future for Call {
    type Output = Result<Outcome, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = self.slot.borrow_mut();
        let Some(result) = answer.result.take() else {
            answer.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(result)
    }
}

/// What was asked for, out of the answer to its command.
///
/// # Errors
/// When it is the answer to another.
pub fn answer<A: Ask>(outcome: Outcome) -> Result<A::Answer, Failure> {
    A::answer(outcome).ok_or_else(|| Failure {
        kind: FailureKind::Internal,
        message: "The engine answered another question than was asked.".into(),
    })
}

impl Client {
    /// Starts the worker; `on_event` hears what belongs to no call.
    pub fn new(device: DeviceChoice, on_event: impl Fn(Event) + 'static) -> Self {
        let (desk, effects) = Desk::new(device);
        let client = Self(Rc::new(Inner {
            desk: RefCell::new(desk),
            worker: RefCell::new(None),
            sinks: RefCell::default(),
            on_event: Box::new(on_event),
        }));
        client.0.perform(effects);
        client
    }

    /// Asks, and waits for the answer. May be called before the worker is there.
    ///
    /// # Errors
    /// As the engine fails.
    pub async fn call<A: Ask>(&self, ask: A) -> Result<A::Answer, Failure> {
        answer::<A>(self.post(ask.into(), Rc::new(|_| {})).await?)
    }

    /// Asks; the answer comes by awaiting. It does not depend on the command's type, so that it is compiled once.
    pub fn post(&self, command: Command, progress: Rc<dyn Fn(Progress)>) -> Call {
        let slot = Rc::<RefCell<Answer>>::default();
        let (job, effects) = self.0.desk.borrow_mut().ask(command);
        self.0.sinks.borrow_mut().insert(job, Sink { progress, slot: slot.clone() });
        self.0.perform(effects);
        Call { job, slot }
    }

    /// Stops a job at its next step; its call then ends as its command says.
    pub fn cancel(&self, job: JobId) {
        let effects = self.0.desk.borrow_mut().cancel(job);
        self.0.perform(effects);
    }

    /// Ends the worker and gives its memory back; calls that are open, and any later one, fail.
    pub fn close(&self) {
        let effects = self.0.desk.borrow_mut().shut();
        self.0.perform(effects);
    }

    /// Starts over with a worker on `device` that is brought to the present state.
    pub fn restart(&self, device: DeviceChoice) {
        let effects = self.0.desk.borrow_mut().restart(device);
        self.0.perform(effects);
    }
}

impl Inner {
    fn perform(self: &Rc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Spawn => self.spawn(),
                Effect::Kill => *self.worker.borrow_mut() = None,
                Effect::Send(job) => self.send(job),
                // Nobody waits for an answer: a job that is not stopped ends by itself.
                Effect::Cancel(job) => drop(self.post(&Request::Cancel(job))),
                Effect::Progress(job, progress) => {
                    let sink = self.sinks.borrow().get(&job).map(|sink| sink.progress.clone());
                    if let Some(sink) = sink {
                        sink(progress);
                    }
                }
                Effect::Finish(job, result) => self.finish(job, *result),
                Effect::Event(event) => (self.on_event)(event),
            }
        }
    }

    fn finish(&self, job: JobId, result: Result<Outcome, Failure>) {
        let Some(sink) = self.sinks.borrow_mut().remove(&job) else { return };
        let waker = {
            let mut answer = sink.slot.borrow_mut();
            answer.result = Some(result);
            answer.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn send(self: &Rc<Self>, job: JobId) {
        let posted = self.desk.borrow().request(job).map_or(Ok(()), |request| self.post(request));
        if let Err(error) = posted {
            let message = format!("the engine could not be asked: {error:?}");
            let effects = self.desk.borrow_mut().fail(job, Failure { kind: FailureKind::Internal, message });
            self.perform(effects);
        }
    }

    /// Posts a request; the buffers of its files change hands instead of being copied.
    ///
    /// # Errors
    /// When it can't be written as a message, as where a number is too large for JavaScript.
    fn post(&self, request: &Request) -> Result<(), JsValue> {
        let worker = self.worker.borrow();
        let Some(live) = worker.as_ref() else { return Ok(()) };
        let value = request.serialize(&serde_wasm_bindgen::Serializer::new())?;
        let transfer = js_sys::Array::new();
        collect_buffers(&value, &transfer);
        live.worker.post_message_with_transfer(&value, &transfer)
    }

    fn spawn(self: &Rc<Self>) {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = match Worker::new_with_options(&worker_url(), &options) {
            Ok(worker) => worker,
            Err(error) => {
                let effects = self.desk.borrow_mut().lose(&format!("This browser starts no worker: {error:?}"));
                return self.perform(effects);
            }
        };
        let weak = Rc::downgrade(self);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new({
            let weak = weak.clone();
            move |event: MessageEvent| match serde_wasm_bindgen::from_value::<Message>(event.data()) {
                Ok(message) => Self::tell(&weak, |desk| desk.hear(message)),
                Err(error) => Self::tell(&weak, |desk| desk.lose(&format!("it said what is no message: {error}"))),
            }
        });
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |event: ErrorEvent| {
            let words = js_sys::Reflect::get(&event, &"message".into()).ok().and_then(|words| words.as_string());
            let reason = words.filter(|words| !words.is_empty());
            let reason = reason.unwrap_or_else(|| format!("{WORKER} could not be loaded or run"));
            Self::tell(&weak, |desk| desk.lose(&reason));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        *self.worker.borrow_mut() = Some(Live { worker, _on_message: on_message, _on_error: on_error });
    }

    /// Effects are carried out in a task of their own: one may drop the very closure that brought the news.
    fn tell(weak: &Weak<Self>, news: impl FnOnce(&mut Desk) -> Vec<Effect>) {
        let Some(inner) = weak.upgrade() else { return };
        let effects = news(&mut inner.desk.borrow_mut());
        wasm_bindgen_futures::spawn_local(async move { inner.perform(effects) });
    }
}

/// The buffers of all byte arrays in `value`, for the transfer list.
fn collect_buffers(value: &JsValue, into: &js_sys::Array) {
    if let Some(bytes) = value.dyn_ref::<js_sys::Uint8Array>() {
        into.push(&bytes.buffer());
    } else if let Some(array) = value.dyn_ref::<js_sys::Array>() {
        array.iter().filter(JsValue::is_object).for_each(|item| collect_buffers(&item, into));
    } else if let Some(object) = value.dyn_ref::<js_sys::Object>() {
        js_sys::Object::values(object).iter().filter(JsValue::is_object).for_each(|item| collect_buffers(&item, into));
    }
}
