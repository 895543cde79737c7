/* Files that appear whole or not at all: what killed writers left is swept, what is being written is not. */
#include "core/whole_file.h"
#include "folder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool exists(const char *name)
{
    struct stat s;
    return !lstat(in_folder(name), &s);
}

static int make(const char *name)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    return fd;
}

static bool write_text(const char *name, const char *text)
{
    char error[ERROR_TEXT];
    return whole_file_write(in_folder(name), &(struct piece){text, strlen(text)}, 1, error);
}

static void expect_text(const char *name, const char *text)
{
    char found[64] = "";
    FILE *file = fopen(in_folder(name), "r");
    assert_non_null(file);
    assert_true(fread(found, 1, sizeof found - 1, file) == strlen(text));
    fclose(file);
    assert_string_equal(found, text);
}

static void what_the_dead_left_is_swept(void **state)
{
    (void)state;
    static const char *const others[] = {"b.1-0.tmp", "a.tmp",     "a.1-0.tmp.tmp", "a.1-.tmp",
                                         "a.-1.tmp",  "a.1.0.tmp", "a.x1-0.tmp",    "a.1-0x.tmp"};
    close(make("a.12345-0.tmp"));
    close(make("a.1-99.tmp"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        close(make(others[i]));
    assert_true(write_text("a", "one"));
    assert_false(exists("a.12345-0.tmp") || exists("a.1-99.tmp"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(exists(others[i]));
    expect_text("a", "one");
    /* Already the question whether it can be written sweeps. */
    char error[ERROR_TEXT];
    close(make("a.7-7.tmp"));
    assert_true(whole_file_possible(in_folder("a"), error));
    assert_false(exists("a.7-7.tmp"));
}

static void what_another_process_writes_stays(void **state)
{
    (void)state;
    int fd = make("a.1-0.tmp");
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_true(write_text("a", "one"));
    assert_true(exists("a.1-0.tmp"));
    close(fd);
    assert_true(write_text("a", "two"));
    assert_false(exists("a.1-0.tmp"));
}

/* Writers of one file at once, each of which sweeps: none loses what it writes. */
static void writers_side_by_side(void **state)
{
    (void)state;
    enum { WRITERS = 4, TIMES = 60 };
    pid_t writers[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        writers[w] = fork();
        if (writers[w])
            continue;
        bool good = true;
        for (int i = 0; good && i < TIMES; i++)
            good = write_text("a", "whole");
        _exit(!good);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        assert_int_equal(waitpid(writers[w], &status, 0), writers[w]);
        assert_int_equal(status, 0);
    }
    expect_text("a", "whole");
}

/* A writer killed while it writes, here by a signal at the limit of a file's size: what it left has no owner. */
static void a_killed_writer_leaves_nothing_for_long(void **state)
{
    (void)state;
    char left[64];
    int status;
    assert_true(write_text("a", "old"));
    const pid_t writer = fork();
    if (!writer) {
        static char much[1 << 16];
        const struct piece pieces[] = {{much, sizeof much}, {much, sizeof much}};
        const struct rlimit size = {sizeof much, sizeof much}, none = {0, 0};
        char error[ERROR_TEXT];
        signal(SIGXFSZ, SIG_DFL);
        setrlimit(RLIMIT_CORE, &none);
        setrlimit(RLIMIT_FSIZE, &size);
        whole_file_write(in_folder("a"), pieces, 2, error);
        _exit(0);
    }
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_true(WIFSIGNALED(status));
    snprintf(left, sizeof left, "a.%ld-0.tmp", (long)writer);
    assert_true(exists(left));
    expect_text("a", "old");
    assert_true(write_text("a", "new"));
    assert_false(exists(left));
    expect_text("a", "new");
}

static void a_link_stays_one(void **state)
{
    (void)state;
    struct stat s;
    assert_int_equal(mkdir(in_folder("far"), 0700), 0);
    assert_true(write_text("far/b", "old"));
    assert_int_equal(symlink("far/b", in_folder("a")), 0);
    assert_true(write_text("a", "new"));
    assert_int_equal(lstat(in_folder("a"), &s), 0);
    assert_true(S_ISLNK(s.st_mode));
    expect_text("far/b", "new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_dead_left_is_swept, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_another_process_writes_stays, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(writers_side_by_side, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_killed_writer_leaves_nothing_for_long, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_link_stays_one, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
