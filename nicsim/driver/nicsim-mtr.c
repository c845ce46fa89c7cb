/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-mtr.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <ethdev_driver.h>
#include <rte_errno.h>
#include <rte_flow.h>
#include <rte_mtr_driver.h>

#include "nicsim-flow.h"
#include "nicsim-log.h"
#include "nicsim-personality.h"
#include "nicsim-port.h"
#include "nicsim-util.h"

/* What a profile, a policy or a meter begins with. */
struct object {
    LIST_ENTRY(object) node;
    const struct nicsim_port *port;     /* On which it was made. */
    uint32_t id;                        /* The application's. */
    uint32_t n_users;                   /* Meters that use it. */
};

LIST_HEAD(object_list, object);

struct profile {
    struct object object;
    struct nicsim_meter conf;
};

struct policy {
    struct object object;
    bool drop_yellow;
};

struct meter {
    struct object object;
    uint32_t hw_id;                     /* The NIC's. */
    struct profile *profile;
    struct policy *policy;
};

/* Guards all lists, of all ports. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct object_list profiles = LIST_HEAD_INITIALIZER(profiles);
static struct object_list policies = LIST_HEAD_INITIALIZER(policies);
static struct object_list meters = LIST_HEAD_INITIALIZER(meters);

__attribute__((format(printf, 4, 5)))
static int
refuse(struct rte_mtr_error *error, int code, enum rte_mtr_error_type type,
       const char *format, ...)
{
    static __thread char message[256];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return -rte_mtr_error_set(error, code, type, NULL, message);
}

/* Objects. */

static struct object *
find(const struct object_list *list, const struct nicsim_port *port,
     uint32_t id)
{
    struct object *object;

    LIST_FOREACH (object, list, node) {
        if (object->port == port && object->id == id) {
            break;
        }
    }
    return object;
}

/* The meter called 'id' of any port of the NIC of 'port', or NULL. */
static struct meter *
find_meter(const struct nicsim_port *port, uint32_t id)
{
    struct object *object;

    LIST_FOREACH (object, &meters, node) {
        if (object->id == id && object->port->host
            && object->port->host == port->host) {
            return (struct meter *) object;
        }
    }
    return NULL;
}

/* Adds a new object of 'size' bytes.  Returns NULL without memory, or if there
 * is one with this id. */
static void *
add(struct object_list *list, const struct nicsim_port *port, uint32_t id,
    size_t size, struct rte_mtr_error *error, enum rte_mtr_error_type type)
{
    struct object *object;

    if (find(list, port, id)) {
        refuse(error, EEXIST, type, "there is one with id %u already", id);
        return NULL;
    }
    object = nicsim_zalloc(size);
    if (!object) {
        refuse(error, ENOMEM, type, "out of memory");
        return NULL;
    }
    object->port = port;
    object->id = id;
    LIST_INSERT_HEAD(list, object, node);
    return object;
}

static void
delete(void *object_)
{
    struct object *object = object_;

    LIST_REMOVE(object, node);
    free(object);
}

static int
delete_unused(struct object_list *list, const struct nicsim_port *port,
              uint32_t id, struct rte_mtr_error *error,
              enum rte_mtr_error_type type)
{
    struct object *object;
    int ret = 0;

    pthread_mutex_lock(&mutex);
    object = find(list, port, id);
    if (!object) {
        ret = refuse(error, ENOENT, type, "there is none with id %u", id);
    } else if (object->n_users) {
        ret = refuse(error, EBUSY, type, "%u meters use it", object->n_users);
    } else {
        delete(object);
    }
    pthread_mutex_unlock(&mutex);
    return ret;
}

/* Profiles. */

static int
capabilities_get(struct rte_eth_dev *dev __rte_unused,
                 struct rte_mtr_capabilities *cap,
                 struct rte_mtr_error *error __rte_unused)
{
    memset(cap, 0, sizeof *cap);
    cap->n_max = NICSIM_MAX_METERS;
    cap->n_shared_max = NICSIM_MAX_METERS;
    cap->identical = 1;
    cap->shared_identical = 1;
    cap->shared_n_flows_per_mtr_max = UINT32_MAX;
    cap->chaining_n_mtrs_per_flow_max = NICSIM_MAX_ACTIONS - 1;
    cap->meter_srtcm_rfc2697_n_max = NICSIM_MAX_METERS;
    cap->meter_trtcm_rfc2698_n_max = NICSIM_MAX_METERS;
    cap->meter_rate_max = UINT64_C(1) << 40;
    cap->meter_policy_n_max = NICSIM_MAX_METERS;
    cap->srtcm_rfc2697_byte_mode_supported = 1;
    cap->srtcm_rfc2697_packet_mode_supported = 1;
    cap->trtcm_rfc2698_byte_mode_supported = 1;
    cap->trtcm_rfc2698_packet_mode_supported = 1;
    cap->stats_mask = (RTE_MTR_STATS_N_PKTS_GREEN
                       | RTE_MTR_STATS_N_PKTS_YELLOW
                       | RTE_MTR_STATS_N_PKTS_DROPPED
                       | RTE_MTR_STATS_N_BYTES_GREEN
                       | RTE_MTR_STATS_N_BYTES_YELLOW
                       | RTE_MTR_STATS_N_BYTES_DROPPED);
    return 0;
}

static int
profile_add(struct rte_eth_dev *dev, uint32_t id,
            struct rte_mtr_meter_profile *p, struct rte_mtr_error *error)
{
    struct nicsim_meter conf = { .in_packets = p->packet_mode != 0 };
    struct profile *profile;

    switch (p->alg) {
    case RTE_MTR_SRTCM_RFC2697:
        conf.cir = p->srtcm_rfc2697.cir;
        conf.cbs = p->srtcm_rfc2697.cbs;
        conf.ebs = p->srtcm_rfc2697.ebs;
        break;

    case RTE_MTR_TRTCM_RFC2698:
        conf.two_rates = 1;
        conf.cir = p->trtcm_rfc2698.cir;
        conf.cbs = p->trtcm_rfc2698.cbs;
        conf.pir = p->trtcm_rfc2698.pir;
        conf.ebs = p->trtcm_rfc2698.pbs;
        break;

    default:
        return refuse(error, ENOTSUP, RTE_MTR_ERROR_TYPE_METER_PROFILE,
                      "profile: the NIC's meters are RFC 2697's and 2698's");
    }
    if (!conf.cir || !conf.cbs) {
        return refuse(error, EINVAL, RTE_MTR_ERROR_TYPE_METER_PROFILE,
                      "profile: rate and burst must not be 0");
    }
    pthread_mutex_lock(&mutex);
    profile = add(&profiles, dev->data->dev_private, id, sizeof *profile,
                  error, RTE_MTR_ERROR_TYPE_METER_PROFILE_ID);
    if (profile) {
        profile->conf = conf;
    }
    pthread_mutex_unlock(&mutex);
    return profile ? 0 : -rte_errno;
}

static int
profile_delete(struct rte_eth_dev *dev, uint32_t id,
               struct rte_mtr_error *error)
{
    return delete_unused(&profiles, dev->data->dev_private, id, error,
                         RTE_MTR_ERROR_TYPE_METER_PROFILE_ID);
}

/* Policies. */

/* Finds out whether 'actions', which may be NULL, drop packets or let them
 * pass.  Returns the name of an action that does neither, or NULL. */
static const char *
parse_policy(const struct rte_flow_action actions[], bool *drop, char *name,
             size_t size)
{
    *drop = false;
    for (; actions && actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
        if (actions->type == RTE_FLOW_ACTION_TYPE_DROP) {
            *drop = true;
        } else if (actions->type != RTE_FLOW_ACTION_TYPE_VOID
                   && actions->type != RTE_FLOW_ACTION_TYPE_PASSTHRU) {
            return nicsim_flow_action_name(actions->type, name, size);
        }
    }
    return NULL;
}

static int
check_policy(const struct rte_mtr_meter_policy_params *params,
             bool *drop_yellow, struct rte_mtr_error *error)
{
    static const char *const colors[] = { "green", "yellow", "red" };
    bool drop[RTE_COLORS];

    for (int i = 0; i < RTE_COLORS; i++) {
        char name[32];
        const char *bad = parse_policy(params->actions[i], &drop[i], name,
                                       sizeof name);

        if (bad) {
            return refuse(error, ENOTSUP, RTE_MTR_ERROR_TYPE_METER_POLICY,
                          "policy: the NIC can not do %s with %s packets",
                          bad, colors[i]);
        }
    }
    if (drop[RTE_COLOR_GREEN] || !drop[RTE_COLOR_RED]) {
        return refuse(error, ENOTSUP, RTE_MTR_ERROR_TYPE_METER_POLICY,
                      "policy: the NIC lets green packets pass and drops red "
                      "ones");
    }
    *drop_yellow = drop[RTE_COLOR_YELLOW];
    return 0;
}

static int
policy_validate(struct rte_eth_dev *dev __rte_unused,
                struct rte_mtr_meter_policy_params *params,
                struct rte_mtr_error *error)
{
    bool drop_yellow;

    return check_policy(params, &drop_yellow, error);
}

static int
policy_add(struct rte_eth_dev *dev, uint32_t id,
           struct rte_mtr_meter_policy_params *params,
           struct rte_mtr_error *error)
{
    struct policy *policy;
    bool drop_yellow;
    int ret;

    ret = check_policy(params, &drop_yellow, error);
    if (ret) {
        return ret;
    }
    pthread_mutex_lock(&mutex);
    policy = add(&policies, dev->data->dev_private, id, sizeof *policy,
                 error, RTE_MTR_ERROR_TYPE_METER_POLICY_ID);
    if (policy) {
        policy->drop_yellow = drop_yellow;
    }
    pthread_mutex_unlock(&mutex);
    return policy ? 0 : -rte_errno;
}

static int
policy_delete(struct rte_eth_dev *dev, uint32_t id,
              struct rte_mtr_error *error)
{
    return delete_unused(&policies, dev->data->dev_private, id, error,
                         RTE_MTR_ERROR_TYPE_METER_POLICY_ID);
}

/* Meters. */

/* Sends the device a message about 'meter'. */
static int
call(struct nicsim_port *port, uint32_t type, struct nicsim_msg *msg,
     struct rte_mtr_error *error)
{
    int code;

    msg->type = type;
    msg->meter.fn = port->fn;
    code = nicsim_port_call(port, msg, NULL);
    return (!code ? 0
            : refuse(error, code, RTE_MTR_ERROR_TYPE_UNSPECIFIED, "meter: %s",
                     msg->text[0] ? msg->text : rte_strerror(code)));
}

/* Fills 'msg' with what a meter of this profile and policy is. */
static void
configure(struct nicsim_msg *msg, uint32_t hw_id,
          const struct profile *profile, const struct policy *policy)
{
    memset(msg, 0, sizeof *msg);
    msg->meter.meter = profile->conf;
    msg->meter.meter.id = hw_id;
    msg->meter.meter.drop_yellow = policy->drop_yellow;
}

/* Whether a table of 'n' input colors, which may be NULL, is all green. */
static bool
is_green(const enum rte_color *table, int n)
{
    for (int i = 0; table && i < n; i++) {
        if (table[i] != RTE_COLOR_GREEN) {
            return false;
        }
    }
    return true;
}

static int
mtr_create(struct rte_eth_dev *dev, uint32_t id, struct rte_mtr_params *params,
           int shared __rte_unused, struct rte_mtr_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct profile *profile;
    struct policy *policy;
    struct meter *meter;
    struct nicsim_msg msg;
    int ret;

    if (params->use_prev_mtr_color || !is_green(params->dscp_table, 64)
        || !is_green(params->vlan_table, 16)
        || params->default_input_color != RTE_COLOR_GREEN) {
        return refuse(error, ENOTSUP, RTE_MTR_ERROR_TYPE_MTR_PARAMS,
                      "meter: the NIC's meters do not look at colors that "
                      "packets have already");
    }
    if (!params->meter_enable) {
        return refuse(error, ENOTSUP, RTE_MTR_ERROR_TYPE_MTR_PARAMS,
                      "meter: the NIC's meters are always enabled");
    }
    pthread_mutex_lock(&mutex);
    profile = (void *) find(&profiles, port, params->meter_profile_id);
    policy = (void *) find(&policies, port, params->meter_policy_id);
    if (!profile) {
        ret = refuse(error, ENOENT, RTE_MTR_ERROR_TYPE_METER_PROFILE_ID,
                     "meter: there is no profile %u",
                     params->meter_profile_id);
    } else if (!policy) {
        ret = refuse(error, ENOENT, RTE_MTR_ERROR_TYPE_METER_POLICY_ID,
                     "meter: there is no policy %u", params->meter_policy_id);
    } else if (find_meter(port, id)) {
        ret = refuse(error, EEXIST, RTE_MTR_ERROR_TYPE_MTR_ID,
                     "meter: the NIC has one with id %u already", id);
    } else {
        configure(&msg, 0, profile, policy);
        ret = call(port, NICSIM_METER_CREATE, &msg, error);
        meter = (ret ? NULL
                 : add(&meters, port, id, sizeof *meter, error,
                       RTE_MTR_ERROR_TYPE_MTR_ID));
        if (meter) {
            meter->hw_id = msg.meter.meter.id;
            meter->profile = profile;
            meter->policy = policy;
            profile->object.n_users++;
            policy->object.n_users++;
            if (nicsim_personality_add_meter(port->vdev->personality,
                                             dev->data->port_id, id)) {
                NICSIM_LOG(WARNING, "%s: the personality does not know "
                           "meter %u: rules with it will be refused",
                           nicsim_port_name(port), id);
            }
        } else if (!ret) {
            call(port, NICSIM_METER_DESTROY, &msg, NULL);
            ret = -ENOMEM;
        }
    }
    pthread_mutex_unlock(&mutex);
    return ret;
}

/* Has the NIC's 'meter' follow 'profile' and 'policy' from now on.  Returns 0
 * or, with 'error' filled, a negative errno. */
static int
update_meter(struct nicsim_port *port, struct meter *meter,
             struct profile *profile, struct policy *policy,
             struct rte_mtr_error *error)
{
    struct nicsim_msg msg;
    int ret;

    configure(&msg, meter->hw_id, profile, policy);
    ret = call(port, NICSIM_METER_UPDATE, &msg, error);
    if (!ret) {
        profile->object.n_users++;
        policy->object.n_users++;
        meter->profile->object.n_users--;
        meter->policy->object.n_users--;
        meter->profile = profile;
        meter->policy = policy;
    }
    return ret;
}

/* Forgets 'meter'. */
static void
drop_meter(struct meter *meter)
{
    const struct nicsim_port *port = meter->object.port;

    nicsim_personality_remove_meter(port->vdev->personality,
                                    port->dev->data->port_id,
                                    meter->object.id);
    meter->profile->object.n_users--;
    meter->policy->object.n_users--;
    delete(meter);
}

/* Finds the meter called 'id' that was made on 'port', with the mutex held, or
 * fills 'error'. */
static struct meter *
get_meter(struct nicsim_port *port, uint32_t id, struct rte_mtr_error *error)
{
    struct meter *meter = (void *) find(&meters, port, id);

    if (!meter) {
        refuse(error, ENOENT, RTE_MTR_ERROR_TYPE_MTR_ID,
               "meter: there is none with id %u on this port", id);
    }
    return meter;
}

static int
mtr_destroy(struct rte_eth_dev *dev, uint32_t id, struct rte_mtr_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct nicsim_msg msg;
    struct meter *meter;
    int ret = -ENOENT;

    pthread_mutex_lock(&mutex);
    meter = get_meter(port, id, error);
    if (meter) {
        configure(&msg, meter->hw_id, meter->profile, meter->policy);
        ret = call(port, NICSIM_METER_DESTROY, &msg, error);
        if (!ret || ret == -ENOENT || nicsim_port_is_dead(port)) {
            /* One that went with the NIC is gone as well. */
            drop_meter(meter);
            ret = 0;
        }
    }
    pthread_mutex_unlock(&mutex);
    return ret;
}

static int
mtr_profile_update(struct rte_eth_dev *dev, uint32_t id, uint32_t profile_id,
                   struct rte_mtr_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct profile *profile;
    struct meter *meter;
    int ret = -ENOENT;

    pthread_mutex_lock(&mutex);
    meter = get_meter(port, id, error);
    profile = (void *) find(&profiles, port, profile_id);
    if (meter && !profile) {
        refuse(error, ENOENT, RTE_MTR_ERROR_TYPE_METER_PROFILE_ID,
               "meter: there is no profile %u", profile_id);
    } else if (meter) {
        ret = update_meter(port, meter, profile, meter->policy, error);
    }
    pthread_mutex_unlock(&mutex);
    return ret;
}

static int
mtr_policy_update(struct rte_eth_dev *dev, uint32_t id, uint32_t policy_id,
                  struct rte_mtr_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct policy *policy;
    struct meter *meter;
    int ret = -ENOENT;

    pthread_mutex_lock(&mutex);
    meter = get_meter(port, id, error);
    policy = (void *) find(&policies, port, policy_id);
    if (meter && !policy) {
        refuse(error, ENOENT, RTE_MTR_ERROR_TYPE_METER_POLICY_ID,
               "meter: there is no policy %u", policy_id);
    } else if (meter) {
        ret = update_meter(port, meter, meter->profile, policy, error);
    }
    pthread_mutex_unlock(&mutex);
    return ret;
}

/* All statistics are always kept. */
static int
mtr_stats_update(struct rte_eth_dev *dev, uint32_t id,
                 uint64_t mask __rte_unused, struct rte_mtr_error *error)
{
    int ret;

    pthread_mutex_lock(&mutex);
    ret = get_meter(dev->data->dev_private, id, error) ? 0 : -ENOENT;
    pthread_mutex_unlock(&mutex);
    return ret;
}

static int
mtr_stats_read(struct rte_eth_dev *dev, uint32_t id,
               struct rte_mtr_stats *stats, uint64_t *mask, int clear,
               struct rte_mtr_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct rte_mtr_capabilities cap;
    struct nicsim_msg msg;
    struct meter *meter;
    int ret = -ENOENT;

    pthread_mutex_lock(&mutex);
    meter = get_meter(port, id, error);
    if (meter) {
        configure(&msg, meter->hw_id, meter->profile, meter->policy);
        msg.meter.reset = clear;
        ret = call(port, NICSIM_METER_QUERY, &msg, error);
    }
    if (!ret) {
        bool drop_yellow = meter->policy->drop_yellow;

        memset(stats, 0, sizeof *stats);
        for (int i = 0; i < RTE_COLORS; i++) {
            const struct nicsim_counter *counter = &msg.meter.colors[i];

            if (i == RTE_COLOR_RED || (i == RTE_COLOR_YELLOW && drop_yellow)) {
                stats->n_pkts_dropped += counter->packets;
                stats->n_bytes_dropped += counter->bytes;
            } else {
                stats->n_pkts[i] = counter->packets;
                stats->n_bytes[i] = counter->bytes;
            }
        }
        capabilities_get(dev, &cap, NULL);
        *mask = cap.stats_mask;
    }
    pthread_mutex_unlock(&mutex);
    return ret;
}

uint32_t
nicsim_mtr_find(const struct nicsim_port *port, uint32_t mtr_id)
{
    struct meter *meter;
    uint32_t hw_id;

    pthread_mutex_lock(&mutex);
    meter = find_meter(port, mtr_id);
    hw_id = meter ? meter->hw_id : 0;
    pthread_mutex_unlock(&mutex);
    return hw_id;
}

/* Removes the objects in 'list' of 'port' by 'remove', but for the device,
 * which takes meters away with their function. */
static void
remove_all(struct object_list *list, const struct nicsim_port *port,
           bool are_meters)
{
    struct object *object, *next;

    for (object = LIST_FIRST(list); object; object = next) {
        next = LIST_NEXT(object, node);
        if (object->port == port) {
            if (are_meters) {
                drop_meter((struct meter *) object);
            } else {
                delete(object);
            }
        }
    }
}

void
nicsim_mtr_uninit(struct nicsim_port *port)
{
    pthread_mutex_lock(&mutex);
    remove_all(&meters, port, true);
    remove_all(&profiles, port, false);
    remove_all(&policies, port, false);
    pthread_mutex_unlock(&mutex);
}

int
nicsim_mtr_ops_get(struct rte_eth_dev *dev __rte_unused, void *ops)
{
    static const struct rte_mtr_ops mtr_ops = {
        .capabilities_get = capabilities_get,
        .meter_profile_add = profile_add,
        .meter_profile_delete = profile_delete,
        .meter_policy_validate = policy_validate,
        .meter_policy_add = policy_add,
        .meter_policy_delete = policy_delete,
        .create = mtr_create,
        .destroy = mtr_destroy,
        .meter_profile_update = mtr_profile_update,
        .meter_policy_update = mtr_policy_update,
        .stats_update = mtr_stats_update,
        .stats_read = mtr_stats_read,
    };

    *(const struct rte_mtr_ops **) ops = &mtr_ops;
    return 0;
}
