/* The folder of a run's checkpoints: held while the run is at work, and one run's alone. */
#include "cli/cmd_train.h"
#include "core/whole_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A number that no other run has. */
static void new_id(char id[RUN_ID])
{
    uint64_t number;
    if (getentropy(&number, sizeof number))
        number = (uint64_t)time(NULL) << 32 | (uint64_t)getpid();
    snprintf(id, RUN_ID, "%016llx", (unsigned long long)number);
}

void run_id_read(const json_t *run, char id[RUN_ID])
{
    const char *text = json_string_value(json_object_get(run, "id"));
    snprintf(id, RUN_ID, "%s", text && strlen(text) < RUN_ID ? text : "");
}

bool run_id_of(const char *path, char id[RUN_ID])
{
    struct checkpoint c;
    char error[ERROR_TEXT];
    if (access(path, F_OK))
        return false;
    strcpy(id, "?");
    if (checkpoint_read(path, &c, error)) {
        run_id_read(c.run, id);
        checkpoint_free(&c);
    }
    return true;
}

static bool same_folder(const char *a, const char *b)
{
    struct stat s, t;
    return !stat(a, &s) && !stat(b, &t) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

int folder_open(struct run *run)
{
    const char *asked = run->request.checkpoint;
    char path[RUN_PATH + 32], id[RUN_ID], error[ERROR_TEXT];
    if (asked && strlen(asked) >= RUN_PATH)
        return wrong_use("--checkpoint '%.100s...': the name is too long", asked);
    /* A run resumed with another folder leaves its old checkpoints: from now on they belong to another run. */
    if (!run->from.run || (asked && !same_folder(asked, run->folder)))
        new_id(run->id);
    if (asked)
        snprintf(run->folder, sizeof run->folder, "%s", asked);
    if (!*run->folder)
        return -1;
    if (!folder_make(run->folder, NULL))
        return wrong_use("--checkpoint '%.200s': cannot make the folder: %s", run->folder,
                         strerror(errno));
    if (!folder_lock(run->folder))
        return wrong_use("%.200s: another run is at work in this folder; wait for its end, or name "
                         "another with --checkpoint",
                         run->folder);
    const char *const names[] = {last_name, best_name};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", run->folder, names[i]);
        const bool there = run_id_of(path, id), own = there && !strcmp(id, run->id);
        if (there && !own && !run->request.overwrite)
            return wrong_use("%.300s: is another run's; go on with that by --resume, name another "
                             "folder with --checkpoint, or give --overwrite",
                             path);
        run->replaces |= there && !own;
        run->keeps_best = own && i == 1;
    }
    snprintf(path, sizeof path, "%s/%s", run->folder, last_name);
    return whole_file_possible(path, error) ? -1 : wrong_use("%s", error);
}

int folder_new(struct run *run)
{
    bool created = false, good = true;
    for (int i = 1; good && !created; i++) {
        snprintf(run->folder, sizeof run->folder, i > 1 ? "batchmark-%s-%d" : "batchmark-%s",
                 run->settings.name ? run->settings.name : "network", i);
        good = folder_make(run->folder, &created);
    }
    return good ? -1
                : wrong_use("%s: cannot make the folder: %s; name one with --checkpoint",
                            run->folder, strerror(errno));
}
