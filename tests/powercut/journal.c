/*
 * Remembers, in order, what a program asks of the files in one folder, so that a test can work out
 * afterwards what a disk may hold after a power cut.
 *
 * It is loaded before a program's own libraries (LD_PRELOAD), stands in for the functions of the C
 * library that change files, calls the real ones, and writes down what they did:
 *
 *     program ──► this layer ──► C library ──► kernel
 *                     └────────► journal (an ordinary file outside the folder)
 *
 * Rust's standard library and RocksDB both change files through the C library alone, so nothing
 * goes past it except writes through a shared mapping; one that would be possible is written down
 * too, and the test fails on it.
 *
 * What makes the journal true:
 *   - An operation is written down after it happened and before its caller learns that it did. So
 *     whatever a program did because of it comes later in the journal.
 *   - A sync is written down twice: before it began, and after it succeeded. Exactly the
 *     operations on that file that stand before the first of the two are durable once the second is there.
 *   - The journal itself needs no sync: the process is killed, the kernel is not.
 *
 * Environment:
 *   POWERCUT_FOLDER   the folder, as an absolute path without links in it
 *   POWERCUT_JOURNAL  the file to append to
 *   POWERCUT_FORGET   optional: files whose names end so are synced in pretence only, to see that
 *                     the test would notice
 *
 * A record in the journal, little-endian, followed by its three variable parts:
 *   u32 kind · u32 path bytes · u32 other path bytes · u32 data bytes · u64 inode · u64 offset
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    OPENED = 1,     /* path, inode: a file or folder that was there */
    CREATED = 2,    /* path, inode, offset: a new, empty file; the offset is its mode */
    WRITTEN = 3,    /* inode, offset, data */
    CUT = 4,        /* inode, offset: the new length */
    PUNCHED = 5,    /* inode, offset; the length stands in the data, 8 bytes */
    SYNC_BEGAN = 6, /* inode; the offset tells this sync from others of the same file */
    SYNC_ENDED = 7, /* the same */
    RENAMED = 8,    /* path, other path */
    LINKED = 9,     /* path, other path */
    UNLINKED = 10,  /* path */
    MADE_DIR = 11,  /* path, inode */
    MAPPED = 12,    /* path: a mapping through which a file could change unseen */
};

struct record {
    uint32_t kind, path_len, other_len, data_len;
    uint64_t inode, offset;
};

static char folder[PATH_MAX];
static size_t folder_len;
static const char *forget;
static int journal = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The inodes that were opened in the folder. Small programs, few files: a list will do. */
#define INODES_MAX 65536
static uint64_t inodes[INODES_MAX];
static uint8_t is_forgotten[INODES_MAX];
static size_t inode_count;

#define REAL(name) ((__typeof__(&name))real(&real_##name, #name))
static void *real(void **slot, const char *name) {
    if (*slot == NULL)
        *slot = dlsym(RTLD_NEXT, name);
    return *slot;
}
#define SLOT(name) static void *real_##name
SLOT(open); SLOT(write); SLOT(pwrite); SLOT(writev); SLOT(pwritev);
SLOT(ftruncate); SLOT(fallocate); SLOT(posix_fallocate); SLOT(fsync); SLOT(fdatasync);
SLOT(rename); SLOT(link); SLOT(linkat); SLOT(unlink); SLOT(mkdir);

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("POWERCUT_FOLDER"), *to = getenv("POWERCUT_JOURNAL");
    forget = getenv("POWERCUT_FORGET");
    if (where == NULL || to == NULL)
        return;
    folder_len = strlen(where);
    if (folder_len >= sizeof folder)
        abort();
    memcpy(folder, where, folder_len + 1);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
    journal = fd;
}

/* The path below the folder, or NULL when it is none of ours. */
static const char *below(const char *path, char *buffer) {
    if (journal < 0 || path == NULL)
        return NULL;
    if (path[0] != '/') {
        if (getcwd(buffer, PATH_MAX) == NULL)
            return NULL;
        size_t len = strlen(buffer);
        if (len + 1 + strlen(path) >= PATH_MAX)
            return NULL;
        buffer[len] = '/';
        strcpy(buffer + len + 1, path);
        path = buffer;
    }
    if (strncmp(path, folder, folder_len) != 0)
        return NULL;
    path += folder_len;
    if (*path != '/' && *path != '\0')
        return NULL;
    while (*path == '/')
        path++;
    return path;
}

/* Appends one record in one call, so that a kill leaves a whole record or the beginning of one. */
static void put(enum kind kind, const char *path, const char *other, uint64_t inode,
                uint64_t offset, const void *data, size_t data_len) {
    struct record head = {
        .kind = kind,
        .path_len = path ? (uint32_t)strlen(path) : 0,
        .other_len = other ? (uint32_t)strlen(other) : 0,
        .data_len = (uint32_t)data_len,
        .inode = inode,
        .offset = offset,
    };
    struct iovec parts[4] = {
        {&head, sizeof head},
        {(void *)path, head.path_len},
        {(void *)other, head.other_len},
        {(void *)data, data_len},
    };
    size_t all = sizeof head + head.path_len + head.other_len + data_len;
    /* Without its journal the test means nothing: no program goes on. */
    if (syscall(SYS_writev, journal, parts, 4) != (ssize_t)all)
        abort();
}

static size_t slot_of(uint64_t inode) {
    for (size_t i = inode_count; i > 0; i--)
        if (inodes[i - 1] == inode)
            return i - 1;
    return INODES_MAX;
}

static int ends_with(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static void know(uint64_t inode, const char *path) {
    size_t slot = slot_of(inode);
    if (slot == INODES_MAX) {
        if (inode_count == INODES_MAX)
            abort();
        slot = inode_count++;
    }
    inodes[slot] = inode;
    is_forgotten[slot] = forget != NULL && ends_with(path, forget);
}

/* The inode behind a descriptor when it is one of ours, else 0. Keeps errno. */
static uint64_t ours(int fd) {
    if (journal < 0)
        return 0;
    int before = errno;
    struct stat st;
    int failed = fstat(fd, &st);
    errno = before;
    if (failed || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return 0;
    return slot_of(st.st_ino) == INODES_MAX ? 0 : st.st_ino;
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    if (name == NULL)
        return REAL(open)(path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat st;
    int was_there = stat(path, &st) == 0;
    int fd = REAL(open)(path, flags, mode);
    int error = errno;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        know(st.st_ino, name);
        put(was_there ? OPENED : CREATED, name, NULL, st.st_ino, st.st_mode & 07777, NULL, 0);
        if (was_there && (flags & O_TRUNC))
            put(CUT, NULL, NULL, st.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return open(path, flags, mode);
}

/* After the fact: `length` bytes were written and the file's position, if it counts, is behind them. */
static void written(uint64_t inode, int64_t offset, const void *data, ssize_t length) {
    if (inode == 0 || length <= 0)
        return;
    int error = errno;
    put(WRITTEN, NULL, NULL, inode, (uint64_t)offset, data, (size_t)length);
    errno = error;
}

ssize_t write(int fd, const void *data, size_t length) {
    uint64_t inode = ours(fd);
    if (inode == 0)
        return REAL(write)(fd, data, length);
    pthread_mutex_lock(&lock);
    ssize_t done = REAL(write)(fd, data, length);
    if (done > 0)
        written(inode, lseek(fd, 0, SEEK_CUR) - done, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    uint64_t inode = ours(fd);
    if (inode == 0)
        return REAL(pwrite)(fd, data, length, offset);
    pthread_mutex_lock(&lock);
    ssize_t done = REAL(pwrite)(fd, data, length, offset);
    written(inode, offset, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    return pwrite(fd, data, length, offset);
}

/* One record for each part: parts of one call may be torn from each other, as on a disk. */
static void written_parts(uint64_t inode, int64_t offset, const struct iovec *parts, int count,
                          ssize_t done) {
    for (int i = 0; i < count && done > 0; i++) {
        ssize_t part = (ssize_t)parts[i].iov_len < done ? (ssize_t)parts[i].iov_len : done;
        written(inode, offset, parts[i].iov_base, part);
        offset += part;
        done -= part;
    }
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    uint64_t inode = ours(fd);
    if (inode == 0)
        return REAL(writev)(fd, parts, count);
    pthread_mutex_lock(&lock);
    ssize_t done = REAL(writev)(fd, parts, count);
    if (done > 0)
        written_parts(inode, lseek(fd, 0, SEEK_CUR) - done, parts, count, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    uint64_t inode = ours(fd);
    if (inode == 0)
        return REAL(pwritev)(fd, parts, count, offset);
    pthread_mutex_lock(&lock);
    ssize_t done = REAL(pwritev)(fd, parts, count, offset);
    written_parts(inode, offset, parts, count, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    return pwritev(fd, parts, count, offset);
}

int ftruncate(int fd, off_t length) {
    uint64_t inode = ours(fd);
    if (inode == 0)
        return REAL(ftruncate)(fd, length);
    pthread_mutex_lock(&lock);
    int failed = REAL(ftruncate)(fd, length);
    int error = errno;
    if (!failed)
        put(CUT, NULL, NULL, inode, (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}

int ftruncate64(int fd, off64_t length) {
    return ftruncate(fd, length);
}

/* Space beyond the end that is only reserved changes nothing that a reader sees. */
static void allocated(uint64_t inode, int mode, off_t offset, off_t length, int fd) {
    int error = errno;
    struct stat st;
    uint64_t bytes = (uint64_t)length;
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        put(PUNCHED, NULL, NULL, inode, (uint64_t)offset, &bytes, sizeof bytes);
    else if (!(mode & FALLOC_FL_KEEP_SIZE) && fstat(fd, &st) == 0)
        put(CUT, NULL, NULL, inode, (uint64_t)st.st_size, NULL, 0);
    errno = error;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    uint64_t inode = ours(fd);
    if (inode == 0)
        return REAL(fallocate)(fd, mode, offset, length);
    pthread_mutex_lock(&lock);
    int failed = REAL(fallocate)(fd, mode, offset, length);
    if (!failed)
        allocated(inode, mode, offset, length, fd);
    pthread_mutex_unlock(&lock);
    return failed;
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return fallocate(fd, mode, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) {
    uint64_t inode = ours(fd);
    if (inode == 0)
        return REAL(posix_fallocate)(fd, offset, length);
    pthread_mutex_lock(&lock);
    int failed = REAL(posix_fallocate)(fd, offset, length);
    if (!failed)
        allocated(inode, 0, offset, length, fd);
    pthread_mutex_unlock(&lock);
    return failed;
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    return posix_fallocate(fd, offset, length);
}

/* The lock is not held while the disk works: other threads write on, and what they write stands
 * behind the begin of this sync. */
static int synced(int fd, int (*sync)(int)) {
    uint64_t inode = ours(fd);
    if (inode == 0)
        return sync(fd);
    pthread_mutex_lock(&lock);
    if (is_forgotten[slot_of(inode)]) {
        pthread_mutex_unlock(&lock);
        return 0;
    }
    static uint64_t syncs;
    uint64_t number = ++syncs;
    put(SYNC_BEGAN, NULL, NULL, inode, number, NULL, 0);
    pthread_mutex_unlock(&lock);
    int failed = sync(fd);
    int error = errno;
    if (!failed) {
        pthread_mutex_lock(&lock);
        put(SYNC_ENDED, NULL, NULL, inode, number, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return failed;
}

int fsync(int fd) {
    return synced(fd, REAL(fsync));
}

int fdatasync(int fd) {
    return synced(fd, REAL(fdatasync));
}

static void two_names(enum kind kind, const char *from, const char *to) {
    char buffer[PATH_MAX], other_buffer[PATH_MAX];
    const char *name = below(from, buffer), *other = below(to, other_buffer);
    if (name != NULL && other != NULL)
        put(kind, name, other, 0, 0, NULL, 0);
    else if (name != NULL || other != NULL)
        abort(); /* in or out of the folder: no program under test does it */
}

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int failed = REAL(rename)(from, to), error = errno;
    if (!failed)
        two_names(RENAMED, from, to);
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}

int link(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int failed = REAL(link)(from, to), error = errno;
    if (!failed)
        two_names(LINKED, from, to);
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    pthread_mutex_lock(&lock);
    int failed = REAL(linkat)(from_dir, from, to_dir, to, flags), error = errno;
    if (!failed && from_dir == AT_FDCWD && to_dir == AT_FDCWD)
        two_names(LINKED, from, to);
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}

int unlink(const char *path) {
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    pthread_mutex_lock(&lock);
    int failed = REAL(unlink)(path), error = errno;
    if (!failed && name != NULL)
        put(UNLINKED, name, NULL, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}

int mkdir(const char *path, mode_t mode) {
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    pthread_mutex_lock(&lock);
    int failed = REAL(mkdir)(path, mode), error = errno;
    struct stat st;
    if (!failed && name != NULL && stat(path, &st) == 0) {
        know(st.st_ino, name);
        put(MADE_DIR, name, NULL, st.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return failed;
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    uint64_t inode = fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE) ? ours(fd) : 0;
    if (inode != 0) {
        pthread_mutex_lock(&lock);
        put(MAPPED, NULL, NULL, inode, (uint64_t)offset, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    return mmap(at, length, protection, flags, fd, offset);
}
