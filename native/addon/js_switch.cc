// SPDX-License-Identifier: Apache-2.0
#include "addon/js_switch.h"

#include "addon/values.h"

namespace usvhost::js {

namespace {

Napi::Object event_to_js(Napi::Env env, const PortEvent& event) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("port", event.port);
  out.Set("state", describe(event.state));
  out.Set("reason", event.reason);
  return out;
}

Napi::Object status_to_js(Napi::Env env, const PortStatus& status) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", status.name);
  out.Set("socketPath", status.socket_path);
  out.Set("state", describe(status.state));
  out.Set("features", Napi::BigInt::New(env, status.features));
  out.Set("lastError", status.last_error);
  out.Set("connections", Napi::Number::New(env, static_cast<double>(status.connections)));
  Napi::Object counters = Napi::Object::New(env);
  for (const CounterName& entry : kCounterNames) {
    counters.Set(entry.name, Napi::Number::New(env, static_cast<double>(status.counters.get(entry.counter))));
  }
  out.Set("counters", counters);
  return out;
}

SwitchOptions read_options(const Napi::Object& from) {
  SwitchOptions options;
  options.cpus = integers(from, "cpus");
  options.stats_file = text(from, "statsFile");
  options.max_ports = static_cast<uint32_t>(number(from, "maxPorts"));
  options.mac_table_size = static_cast<uint32_t>(number(from, "macTableSize"));
  options.mac_age_seconds = static_cast<uint32_t>(number(from, "macAgeSeconds"));
  options.idle_micros = static_cast<uint32_t>(number(from, "idleMicros"));
  options.poll_mode = poll_mode(from, "pollMode");
  options.handshake_millis = static_cast<uint32_t>(number(from, "handshakeMillis"));
  return options;
}

}  // namespace

Napi::Function JsSwitch::define(Napi::Env env) {
  return DefineClass(env, "NativeSwitch",
                     {InstanceMethod<&JsSwitch::add_port>("addPort"),
                      InstanceMethod<&JsSwitch::remove_port>("removePort"), InstanceMethod<&JsSwitch::ports>("ports"),
                      InstanceMethod<&JsSwitch::sleeps>("sleeps"), InstanceMethod<&JsSwitch::close_from_js>("close")});
}

JsSwitch::JsSwitch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<JsSwitch>(info) {
  Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsObject() || !info[1].IsFunction()) {
    throw_status(env, failure("USV_INTERNAL", "expected options and a callback for NativeSwitch"));
    return;
  }
  SwitchOptions options = read_options(info[0].As<Napi::Object>());
  if (env.IsExceptionPending()) return;
  events_ =
      std::make_unique<EventQueue<PortEvent>>(env, info[1].As<Napi::Function>(), event_to_js, [this] { close(); });
  switch_ = std::make_unique<Switch>(std::move(options), [this](PortEvent event) { events_->push(std::move(event)); });
  if (Status status = switch_->start(); !status.ok()) {
    close();
    throw_status(env, status);
  }
}

void JsSwitch::close() {
  switch_.reset();
  if (events_) events_->close();
}

void JsSwitch::close_from_js(const Napi::CallbackInfo&) { close(); }

void JsSwitch::add_port(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto from = info[0].As<Napi::Object>();
  PortOptions options;
  options.name = text(from, "name");
  options.network = text(from, "network");
  options.socket.path = text(from, "socketPath");
  options.socket.mode = static_cast<uint32_t>(number(from, "socketMode"));
  if (has(from, "uid")) options.socket.uid = static_cast<uid_t>(number(from, "uid"));
  if (has(from, "gid")) options.socket.gid = static_cast<gid_t>(number(from, "gid"));
  if (has(from, "mac")) options.mac = static_cast<MacAddress>(number(from, "mac"));
  options.mtu = static_cast<uint32_t>(number(from, "mtu"));
  options.connect = boolean(from, "connect");
  if (env.IsExceptionPending()) return;
  if (!switch_) return throw_status(env, failure("USV_INTERNAL", "expected an open NativeSwitch, got a closed one"));
  if (Status status = switch_->add_port(std::move(options)); !status.ok()) throw_status(env, status);
}

Napi::Value JsSwitch::remove_port(const Napi::CallbackInfo& info) {
  bool removed = switch_ && info[0].IsString() && switch_->remove_port(info[0].As<Napi::String>().Utf8Value());
  return Napi::Boolean::New(info.Env(), removed);
}

Napi::Value JsSwitch::ports(const Napi::CallbackInfo& info) {
  Napi::Array out = Napi::Array::New(info.Env());
  if (!switch_) return out;
  uint32_t index = 0;
  for (const PortStatus& status : switch_->ports()) out.Set(index++, status_to_js(info.Env(), status));
  return out;
}

Napi::Value JsSwitch::sleeps(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), switch_ ? static_cast<double>(switch_->sleeps()) : 0);
}

}  // namespace usvhost::js
