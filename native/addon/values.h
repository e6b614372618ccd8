// SPDX-License-Identifier: Apache-2.0
// Conversions between JavaScript values and the core's structures. TypeScript has validated everything already; a
// wrong type here is a defect and throws USV_INTERNAL.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "base/poll_thread.h"
#include "base/status.h"
#include "engines/engine.h"

namespace usvhost::js {

/** One for each environment, freed with it: no static state. */
struct AddonData {
  /** (code, text) → Error, made by TypeScript so that `instanceof UsvhostError` holds on its side. */
  Napi::FunctionReference make_error;
};

void throw_status(Napi::Env env, const Status& status);

double number(const Napi::Object& from, const char* key);
bool boolean(const Napi::Object& from, const char* key);
std::string text(const Napi::Object& from, const char* key);
/** Of `poll`, `adaptive` and `interrupt`. */
PollMode poll_mode(const Napi::Object& from, const char* key);
bool has(const Napi::Object& from, const char* key);
Napi::Object object(const Napi::Object& from, const char* key);
std::vector<int> integers(const Napi::Object& from, const char* key);
std::vector<Napi::Object> objects(const Napi::Object& from, const char* key);
Napi::Object metrics(Napi::Env env, const std::vector<Metric>& values);

}  // namespace usvhost::js
