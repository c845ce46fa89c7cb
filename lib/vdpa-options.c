/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "smap.h"
#include "util.h"
#include "vdpa-vf.h"

/* Longest path that a socket address holds, with its null terminator. */
#define SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *) NULL)->sun_path)

/* Receive queues of a port at most.  This only keeps typing errors out: what
 * the device has is another matter. */
#define MAX_RXQS 1024

/* Checks that a hypervisor can have, now or later, a socket at 'path', and
 * stores a form of it that has only one spelling into '*idp'. */
static int
check_socket_path(const char *path, char **idp, char **errorp)
{
    char real_dir[PATH_MAX];
    struct stat s;
    char *dir, *base;
    int error;

    if (path[0] != '/') {
        *errorp = xasprintf("options:vdpa-socket-path=%s is no absolute path: "
                            "begin it with /", path);
        return EINVAL;
    }
    if (strlen(path) >= SOCKET_PATH_SIZE) {
        *errorp = xasprintf("options:vdpa-socket-path has %"PRIuSIZE" "
                            "characters, but a socket's path can have %"
                            PRIuSIZE": choose a shorter one",
                            strlen(path), SOCKET_PATH_SIZE - 1);
        return ENAMETOOLONG;
    }
    if (!stat(path, &s) && !S_ISSOCK(s.st_mode)) {
        *errorp = xasprintf("options:vdpa-socket-path=%s exists and is no "
                            "socket: remove it or choose another path", path);
        return ENOTSOCK;
    }

    dir = dir_name(path);
    error = !realpath(dir, real_dir) ? errno : 0;
    if (!error && (stat(real_dir, &s) || !S_ISDIR(s.st_mode))) {
        error = ENOTDIR;
    }
    if (error) {
        *errorp = xasprintf("options:vdpa-socket-path=%s is in directory %s, "
                            "that cannot be used (%s): create it or choose "
                            "another path", path, dir, ovs_strerror(error));
        free(dir);
        return error;
    }
    free(dir);

    base = base_name(path);
    *idp = xasprintf("%s/%s", !strcmp(real_dir, "/") ? "" : real_dir, base);
    free(base);
    return 0;
}

/* Reads the number 'name' of 'args', that must be from 'min' to 'max', into
 * '*valuep', or 'def' if it is not there. */
static int
parse_number(const struct smap *args, const char *name, unsigned int min,
             unsigned int max, unsigned int def, unsigned int *valuep,
             char **errorp)
{
    const char *s = smap_get(args, name);
    unsigned int value;

    if (!s) {
        *valuep = def;
        return 0;
    }
    if (!str_to_uint(s, 10, &value) || value < min || value > max) {
        *errorp = xasprintf("options:%s=%s is not a number from %u to %u",
                            name, s, min, max);
        return EINVAL;
    }
    *valuep = value;
    return 0;
}

static int
parse_bool(const struct smap *args, const char *name, bool *valuep,
           char **errorp)
{
    const char *s = smap_get_def(args, name, "false");

    if (strcasecmp(s, "true") && strcasecmp(s, "false")) {
        *errorp = xasprintf("options:%s=%s is neither true nor false",
                            name, s);
        return EINVAL;
    }
    *valuep = !strcasecmp(s, "true");
    return 0;
}

/* Reads whether features are to be offered that only one mode has. */
static int
parse_features(const struct smap *args, bool *allp, char **errorp)
{
    const char *s = smap_get_def(args, "vdpa-features", "common");

    if (strcmp(s, "common") && strcmp(s, "all")) {
        *errorp = xasprintf("options:vdpa-features=%s is neither common nor "
                            "all", s);
        return EINVAL;
    }
    *allp = !strcmp(s, "all");
    return 0;
}

static int
parse_link(const struct smap *args, bool *of_guest, char **errorp)
{
    const char *s = smap_get_def(args, "vdpa-link", "representor");

    *of_guest = !strcmp(s, "guest");
    if (!*of_guest && strcmp(s, "representor")) {
        *errorp = xasprintf("options:vdpa-link=%s is neither representor nor "
                            "guest", s);
        return EINVAL;
    }
    return 0;
}

static int
parse_accelerator(const struct smap *args, struct vdpa_devargs *devargs,
                  char **errorp)
{
    const char *s = smap_get(args, "vdpa-accelerator-devargs");
    char *reason;
    int error;

    if (!s) {
        *errorp = xstrdup("options:vdpa-accelerator-devargs is missing: set "
                          "it to the VF, as [bus:]address[,args]");
        return EINVAL;
    }
    error = vdpa_devargs_parse(s, devargs, &reason);
    if (error) {
        *errorp = xasprintf("options:vdpa-accelerator-devargs: %s", reason);
        free(reason);
    }
    return error;
}

/* Reads 'args' into '*options'.  Returns 0 if successful, in which case the
 * caller must eventually destroy '*options'.  Otherwise returns a positive
 * errno value and stores a description, that the caller must free, into
 * '*errorp'; '*options' then needs no destruction. */
int
vdpa_options_parse(const struct smap *args, struct vdpa_options *options,
                   char **errorp)
{
    const char *path = smap_get(args, "vdpa-socket-path");
    const char *representor = smap_get(args, "dpdk-devargs");
    int error;

    memset(options, 0, sizeof *options);
    if (!path || !path[0]) {
        *errorp = xstrdup("options:vdpa-socket-path is missing: set it to the "
                          "vhost-user socket of the guest's hypervisor");
        return EINVAL;
    }

    error = check_socket_path(path, &options->socket_id, errorp);
    if (!error) {
        error = parse_accelerator(args, &options->accelerator, errorp);
    }
    if (!error) {
        error = parse_number(args, "vdpa-max-queues", 1, VDPA_MAX_QUEUES, 0,
                             &options->max_queues, errorp);
    }
    if (!error) {
        error = parse_number(args, "n_rxq", 1, MAX_RXQS, 1, &options->n_rxq,
                             errorp);
    }
    if (!error) {
        error = parse_bool(args, "vdpa-sw", &options->sw, errorp);
    }
    if (!error) {
        error = parse_features(args, &options->all_features, errorp);
    }
    if (!error) {
        error = parse_link(args, &options->link_of_guest, errorp);
    }
    if (error) {
        vdpa_options_destroy(options);
        return error;
    }
    options->socket_path = xstrdup(path);
    options->representor = (representor && representor[0]
                            ? xstrdup(representor) : NULL);
    return 0;
}

/* Frees what 'options' holds, but not 'options' itself. */
void
vdpa_options_destroy(struct vdpa_options *options)
{
    free(options->socket_path);
    free(options->socket_id);
    vdpa_devargs_destroy(&options->accelerator);
    free(options->representor);
    memset(options, 0, sizeof *options);
}

/* Makes '*dst' a copy of 'src', that the caller must eventually destroy. */
void
vdpa_options_clone(struct vdpa_options *dst, const struct vdpa_options *src)
{
    *dst = *src;
    dst->socket_path = xstrdup(src->socket_path);
    dst->socket_id = xstrdup(src->socket_id);
    vdpa_devargs_clone(&dst->accelerator, &src->accelerator);
    dst->representor = nullable_xstrdup(src->representor);
}

/* Returns true if 'a' and 'b' have the same socket and the same VF. */
bool
vdpa_options_same_ends(const struct vdpa_options *a,
                       const struct vdpa_options *b)
{
    return (!strcmp(a->socket_path, b->socket_path)
            && !strcmp(a->accelerator.string, b->accelerator.string));
}

/* Returns true if 'a' and 'b' join the two in the same way. */
bool
vdpa_options_same_way(const struct vdpa_options *a,
                      const struct vdpa_options *b)
{
    return (a->max_queues == b->max_queues && a->sw == b->sw
            && a->all_features == b->all_features);
}

/* Adds to 'args' what 'options' were made from. */
void
vdpa_options_format(const struct vdpa_options *options, struct smap *args)
{
    smap_add(args, "vdpa-socket-path", options->socket_path);
    smap_add(args, "vdpa-accelerator-devargs", options->accelerator.string);
    smap_add_format(args, "vdpa-max-queues", "%u",
                    options->max_queues ? options->max_queues
                    : VDPA_MAX_QUEUES);
    smap_add(args, "vdpa-sw", options->sw ? "true" : "false");
    if (options->all_features) {
        smap_add(args, "vdpa-features", "all");
    }
    if (options->link_of_guest) {
        smap_add(args, "vdpa-link", "guest");
    }
    if (options->representor) {
        smap_add(args, "dpdk-devargs", options->representor);
    }
}
