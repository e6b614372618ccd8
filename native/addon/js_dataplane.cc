// SPDX-License-Identifier: Apache-2.0
#include "addon/js_dataplane.h"

#include "addon/exchange_registry.h"
#include "addon/values.h"
#include "virtio/station_address.h"

namespace usvhost::js {

namespace {

Napi::Object event_to_js(Napi::Env env, const LinkEvent& event) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("port", event.port);
  out.Set("up", event.up);
  out.Set("reason", event.reason);
  out.Set("features", Napi::BigInt::New(env, event.features));
  out.Set("queuePairs", Napi::Number::New(env, event.pairs));
  out.Set("mtu", Napi::Number::New(env, event.mtu));
  out.Set("mac", event.mac != 0 ? address_text(event.mac) : "");
  return out;
}

MacAddress mac(const Napi::Object& from, const char* key) { return static_cast<MacAddress>(number(from, key)); }
uint32_t u32(const Napi::Object& from, const char* key) { return static_cast<uint32_t>(number(from, key)); }

EngineOptions read_engine(const Napi::Object& from) {
  std::string kind = text(from, "kind");
  if (kind == "l2fwd") {
    return L2fwdOptions{text(from, "mode") == "swap", mac(from, "sourceMac"), mac(from, "destinationMac")};
  }
  if (kind == "responder") return ResponderOptions{mac(from, "mac"), u32(from, "ip")};
  if (kind == "ping") {
    return PingOptions{mac(from, "mac"),   u32(from, "source"),         u32(from, "destination"),
                       u32(from, "count"), u32(from, "intervalMillis"), u32(from, "timeoutMillis")};
  }
  if (kind == "tap")
    return TapOptions{text(from, "device"), text(from, "node"), boolean(from, "multiQueue"), boolean(from, "offloads")};
  if (kind == "handler") return HandlerOptions{std::make_shared<FrameExchange>()};
  TrafficOptions traffic;
  traffic.transmit = kind == "txonly";
  traffic.verify = boolean(from, "verify");
  traffic.size = u32(from, "size");
  traffic.limit = static_cast<uint64_t>(number(from, "limit"));
  traffic.source_mac = mac(from, "sourceMac");
  traffic.destination_mac = mac(from, "destinationMac");
  traffic.running = boolean(from, "running");
  return traffic;
}

BackEndMac back_end_mac(const Napi::Object& port) {
  std::string wish = text(port, "backEndMac");
  return wish == "required" ? BackEndMac::kRequired : wish == "used" ? BackEndMac::kUsed : BackEndMac::kIgnored;
}

DataplaneOptions read_options(const Napi::Object& from) {
  DataplaneOptions options;
  for (const Napi::Object& port : objects(from, "ports")) {
    Napi::Object offers = object(port, "offers");
    options.ports.push_back({text(port, "name"), text(port, "path"), static_cast<uint16_t>(u32(port, "queueSize")),
                             boolean(port, "server"), boolean(offers, "packed"), boolean(offers, "inOrder"),
                             boolean(offers, "mergeable"), boolean(offers, "indirect"), boolean(offers, "eventIndex"),
                             static_cast<uint16_t>(u32(port, "queuePairs")), back_end_mac(port)});
  }
  options.engine = read_engine(object(from, "engine"));
  Napi::Object memory = object(from, "memory");
  std::string kind = text(memory, "kind");
  options.segment.kind = kind == "memfd"  ? SegmentKind::kMemfd
                         : kind == "shm"  ? SegmentKind::kShm
                         : kind == "file" ? SegmentKind::kLent
                                          : SegmentKind::kHugetlbfs;
  options.segment.place = text(memory, "place");
  options.buffers = u32(from, "buffers");
  options.cpus = integers(from, "cpus");
  options.idle_micros = u32(from, "idleMicros");
  options.poll_mode = poll_mode(from, "pollMode");
  options.connector = {u32(from, "backoffMinMillis"), u32(from, "backoffMaxMillis"), u32(from, "handshakeMillis")};
  return options;
}

}  // namespace

Napi::Function JsDataplane::define(Napi::Env env) {
  return DefineClass(
      env, "NativeDataplane",
      {InstanceMethod<&JsDataplane::report>("report"), InstanceMethod<&JsDataplane::exchange>("exchange"),
       InstanceMethod<&JsDataplane::set_running>("setRunning"),
       InstanceMethod<&JsDataplane::set_queue_pairs>("setQueuePairs"),
       InstanceMethod<&JsDataplane::close_from_js>("close")});
}

JsDataplane::JsDataplane(const Napi::CallbackInfo& info) : Napi::ObjectWrap<JsDataplane>(info) {
  Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsObject() || !info[1].IsFunction()) {
    throw_status(env, failure("USV_INTERNAL", "expected options and a callback for NativeDataplane"));
    return;
  }
  DataplaneOptions options = read_options(info[0].As<Napi::Object>());
  if (env.IsExceptionPending()) return;
  std::shared_ptr<FrameExchange> exchange;
  if (const auto* handler = std::get_if<HandlerOptions>(&options.engine)) exchange = handler->exchange;
  events_ =
      std::make_unique<EventQueue<LinkEvent>>(env, info[1].As<Napi::Function>(), event_to_js, [this] { close(); });
  dataplane_ =
      std::make_unique<Dataplane>(std::move(options), [this](LinkEvent event) { events_->push(std::move(event)); });
  if (Status status = dataplane_->start(); !status.ok()) {
    close();
    throw_status(env, status);
    return;
  }
  // Only now: nobody may find an exchange that is not open.
  if (exchange) exchange_ = ExchangeRegistry::shared().add(std::move(exchange));
}

void JsDataplane::close() {
  if (exchange_ != 0) ExchangeRegistry::shared().remove(exchange_);
  exchange_ = 0;
  dataplane_.reset();
  if (events_) events_->close();
}

void JsDataplane::close_from_js(const Napi::CallbackInfo&) { close(); }

Napi::Value JsDataplane::exchange(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), exchange_); }

void JsDataplane::set_running(const Napi::CallbackInfo& info) {
  if (dataplane_) dataplane_->set_running(info[0].ToBoolean().Value());
}

void JsDataplane::set_queue_pairs(const Napi::CallbackInfo& info) {
  if (dataplane_) dataplane_->set_active_pairs(static_cast<uint16_t>(info[0].ToNumber().Uint32Value()));
}

Napi::Value JsDataplane::report(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!dataplane_) {
    throw_status(env, failure("USV_INTERNAL", "expected an open NativeDataplane, got a closed one"));
    return env.Undefined();
  }
  DataplaneReport report = dataplane_->report();
  Napi::Object out = Napi::Object::New(env);
  Napi::Object ports = Napi::Object::New(env);
  for (const auto& port : report.ports) ports.Set(port.name, metrics(env, port.counters));
  out.Set("ports", ports);
  out.Set("engine", metrics(env, report.engine));
  return out;
}

}  // namespace usvhost::js
