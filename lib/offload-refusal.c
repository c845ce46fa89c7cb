/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-refusal.h"

#include <stdarg.h>
#include <stdio.h>

#include "util.h"

static const struct {
    const char *code;
    const char *sentence;
} refusals[OFFLOAD_N_REFUSALS] = {
    [OFFLOAD_REFUSAL_NONE] = { "none", "not refused" },
#define OFFLOAD_REFUSAL(ENUM, CODE, SENTENCE) \
    [OFFLOAD_REFUSAL_##ENUM] = { CODE, SENTENCE },
    OFFLOAD_REFUSALS
#undef OFFLOAD_REFUSAL
};

const char *
offload_refusal_code(enum offload_refusal_code code)
{
    ovs_assert(code < OFFLOAD_N_REFUSALS);
    return refusals[code].code;
}

const char *
offload_refusal_sentence(enum offload_refusal_code code)
{
    ovs_assert(code < OFFLOAD_N_REFUSALS);
    return refusals[code].sentence;
}

bool
offload_refuse(struct offload_refusal *refusal,
               enum offload_refusal_code code)
{
    refusal->code = code;
    refusal->words[0] = '\0';
    return false;
}

bool
offload_refuse_words(struct offload_refusal *refusal,
                     enum offload_refusal_code code, const char *format, ...)
{
    va_list args;

    refusal->code = code;
    va_start(args, format);
    vsnprintf(refusal->words, sizeof refusal->words, format, args);
    va_end(args);
    return false;
}
