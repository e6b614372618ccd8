// SPDX-License-Identifier: Apache-2.0
// Events from native threads to a JavaScript callback: queued without blocking, delivered on the loop's thread in order. Events
// of one port are merged where JavaScript is slower than the port tells them (base/event_backlog.h).
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

#include "base/event_backlog.h"

namespace usvhost::js {

template <class Event>
class EventQueue {
 public:
  using ToJs = Napi::Object (*)(Napi::Env, const Event&);

  /** `on_exit` must end all threads that push and then call close(); it is called when Node ends without a close(). */
  EventQueue(Napi::Env env, Napi::Function callback, ToJs to_js, std::function<void()> on_exit)
      : env_(env),
        function_(Napi::ThreadSafeFunction::New(env, callback, "usvhost events", 0, 1)),
        to_js_(to_js),
        on_exit_(std::move(on_exit)) {
    // The daemons decide how long the process lives, not a pending event source.
    function_.Unref(env);
    // Node frees the function in a hook of its own when the environment ends, long before objects are finalized. Hooks run
    // newest first, so this one still finds it alive.
    napi_add_env_cleanup_hook(env_, exit_hook, this);
  }

  /** Any thread. An event after close() is dropped: nobody can want it any more. */
  void push(Event event) {
    if (!backlog_->push(std::move(event))) return;
    auto* waiting = new Waiting{backlog_, to_js_};
    napi_status queued = function_.NonBlockingCall(waiting, [](Napi::Env env, Napi::Function callback, Waiting* value) {
      std::unique_ptr<Waiting> owned(value);
      std::optional<Event> next = value->backlog->pop();
      if (next && env != nullptr && callback != nullptr) callback.Call({value->to_js(env, *next)});
    });
    if (queued != napi_ok) delete waiting;
  }

  /** After all threads that push have ended. */
  void close() {
    if (closed_) return;
    closed_ = true;
    if (!exiting_) napi_remove_env_cleanup_hook(env_, exit_hook, this);
    function_.Release();
  }

 private:
  /** What a queued call holds: it may be made after this object is gone. */
  struct Waiting {
    std::shared_ptr<EventBacklog<Event>> backlog;
    ToJs to_js;
  };

  static void exit_hook(void* self) {
    auto* queue = static_cast<EventQueue*>(self);
    queue->exiting_ = true;
    queue->on_exit_();
  }

  napi_env env_;
  Napi::ThreadSafeFunction function_;
  ToJs to_js_;
  std::function<void()> on_exit_;
  std::shared_ptr<EventBacklog<Event>> backlog_ = std::make_shared<EventBacklog<Event>>();
  bool closed_ = false;
  bool exiting_ = false;
};

}  // namespace usvhost::js
