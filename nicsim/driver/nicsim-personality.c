/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-personality.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_flow.h>

#include "nicsim-log.h"
#include "nicsim-util.h"

/* Why configure could not have mlx5-dv built, or "". */
static const char no_mlx5_dv[] = NICSIM_NO_MLX5_DV;

struct nicsim_personality {
    const struct nicsim_personality_class *class;
    struct nicsim_personality_traits traits;
    pthread_mutex_t mutex;
    void *aux;
};

/* Writes the path of the personality 'name' into 'path': it is beside the
 * file that this function is in, where the build as well as "make install"
 * puts it. */
static bool
get_path(const char *name, char *path, size_t size)
{
    Dl_info info;
    int length;
    char *end;

    if (!dladdr((void *) (uintptr_t) nicsim_personality_create, &info)
        || !info.dli_fname) {
        return false;
    }
    end = strrchr(info.dli_fname, '/');
    length = end ? end - info.dli_fname : 0;
    length = snprintf(path, size, "%.*s%snicsim-%s.so", length,
                      info.dli_fname, end ? "/" : "./", name);
    return length > 0 && (size_t) length < size;
}

/* A name that is part of a file's must not lead elsewhere. */
static bool
is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n && !name[n];
}

/* Finds the class of the personality 'name', or logs why not. */
static int
load_class(const char *who, const char *name,
           const struct nicsim_personality_class **classp)
{
    char path[PATH_MAX];
    void *object;

    if (!is_name(name) || !get_path(name, path, sizeof path)
        || (access(path, R_OK) && strcmp(name, "mlx5-dv"))) {
        NICSIM_LOG(ERR, "%s: there is no personality \"%s\"", who, name);
        return EINVAL;
    }
    if (access(path, R_OK)) {
        NICSIM_LOG(ERR, "%s: there is no personality mlx5-dv: %s", who,
                   no_mlx5_dv[0] ? no_mlx5_dv : "its file is missing");
        return ENOTSUP;
    }
    /* Words of its refusals, and what it keeps per thread, outlive the last
     * NIC that has it: it is never unloaded.  Nothing in it is for others to
     * see. */
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!object) {
        NICSIM_LOG(ERR, "%s: could not load the personality \"%s\": %s", who,
                   name, dlerror());
        return ELIBACC;
    }
    *classp = dlsym(object, "nicsim_personality_class");
    if (!*classp || (*classp)->abi != NICSIM_PERSONALITY_ABI) {
        NICSIM_LOG(ERR, "%s: %s is not a personality for this driver", who,
                   path);
        return ELIBBAD;
    }
    return 0;
}

int
nicsim_personality_create(const char *who, const char *spec,
                          struct nicsim_personality **personalityp)
{
    struct nicsim_personality *personality;
    char why[256] = "";
    char name[32];
    const char *args;
    int error;

    *personalityp = NULL;
    args = strchr(spec, ',');
    snprintf(name, sizeof name, "%.*s",
             (int) (args ? args - spec : (ptrdiff_t) strlen(spec)), spec);
    args = args ? args + 1 : "";
    if (!strcmp(name, "ideal") || !*spec) {
        if (*args) {
            NICSIM_LOG(ERR, "%s: the ideal NIC has no parameters, but \"%s\" "
                       "were given", who, args);
            return EINVAL;
        }
        return 0;
    }

    personality = nicsim_zalloc(sizeof *personality);
    if (!personality) {
        return ENOMEM;
    }
    error = load_class(who, name, &personality->class);
    if (!error) {
        error = personality->class->create(args, &personality->aux,
                                           &personality->traits, why,
                                           sizeof why);
        if (error) {
            NICSIM_LOG(ERR, "%s: personality %s: %s", who, name, why);
        }
    }
    if (error) {
        free(personality);
        return error;
    }
    pthread_mutex_init(&personality->mutex, NULL);
    NICSIM_LOG(NOTICE, "%s: the NIC has the personality %s", who, spec);
    *personalityp = personality;
    return 0;
}

void
nicsim_personality_destroy(struct nicsim_personality *personality)
{
    if (personality) {
        personality->class->destroy(personality->aux);
        pthread_mutex_destroy(&personality->mutex);
        free(personality);
    }
}

const struct nicsim_personality_traits *
nicsim_personality_traits(const struct nicsim_personality *personality)
{
    static const struct nicsim_personality_traits ideal;

    return personality ? &personality->traits : &ideal;
}

int
nicsim_personality_add_port(struct nicsim_personality *personality,
                            uint16_t port_id, bool uplink, unsigned int vf)
{
    int error = 0;

    if (personality) {
        pthread_mutex_lock(&personality->mutex);
        error = personality->class->add_port(personality->aux, port_id,
                                             uplink, vf);
        pthread_mutex_unlock(&personality->mutex);
    }
    return error;
}

void
nicsim_personality_remove_port(struct nicsim_personality *personality,
                               uint16_t port_id)
{
    if (personality) {
        pthread_mutex_lock(&personality->mutex);
        personality->class->remove_port(personality->aux, port_id);
        pthread_mutex_unlock(&personality->mutex);
    }
}

int
nicsim_personality_add_meter(struct nicsim_personality *personality,
                             uint16_t port_id, uint32_t mtr_id)
{
    int error = 0;

    if (personality) {
        pthread_mutex_lock(&personality->mutex);
        error = personality->class->add_meter(personality->aux, port_id,
                                              mtr_id);
        pthread_mutex_unlock(&personality->mutex);
    }
    return error;
}

void
nicsim_personality_remove_meter(struct nicsim_personality *personality,
                                uint16_t port_id, uint32_t mtr_id)
{
    if (personality) {
        pthread_mutex_lock(&personality->mutex);
        personality->class->remove_meter(personality->aux, port_id, mtr_id);
        pthread_mutex_unlock(&personality->mutex);
    }
}

int
nicsim_personality_ask(struct nicsim_personality *personality,
                       struct nicsim_personality_question *question,
                       struct rte_flow_error *error)
{
    struct rte_flow_error unwanted;
    int ret = 0;

    question->drops = false;
    question->held = 0;
    error = error ? error : &unwanted;
    if (personality) {
        pthread_mutex_lock(&personality->mutex);
        ret = personality->class->ask(personality->aux, question, error);
        pthread_mutex_unlock(&personality->mutex);
    }
    return ret;
}

void
nicsim_personality_release(struct nicsim_personality *personality,
                           uint64_t held)
{
    if (personality && held) {
        pthread_mutex_lock(&personality->mutex);
        personality->class->release(personality->aux, held);
        pthread_mutex_unlock(&personality->mutex);
    }
}
