package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// instance is one control plane: its name and the folder that holds its state. The lock on
// that folder is held by the process that runs it.
type instance struct {
	name string
	dir  string
}

// cacheRoot is the folder that holds all that outlives one run of this command.
func cacheRoot() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "countersign", "controlplane"), nil
}

func instanceNamed(name string) (instance, error) {
	root, err := cacheRoot()
	if err != nil {
		return instance{}, err
	}
	return instance{name, filepath.Join(root, "instances", name)}, nil
}

func instanceAt(dir string) (instance, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return instance{}, err
	}
	return instance{filepath.Base(abs), abs}, nil
}

func (i instance) path(elem ...string) string {
	return filepath.Join(append([]string{i.dir}, elem...)...)
}

func (i instance) adminKubeconfig() string { return i.path("admin.kubeconfig") }

func (i instance) log(component string) string { return i.path("logs", component+".log") }

// claim takes an empty state folder for this instance; release removes it again. What an
// instance that died without cleaning up has left in it is removed first.
func (i instance) claim() (release func(), err error) {
	lock, err := lockDir(i.dir)
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("%q is already up, or about to be; see status, or take it down first", i.name)
	}
	if err != nil {
		return nil, err
	}
	if err := i.empty(); err != nil {
		lock.Close()
		return nil, err
	}
	return func() {
		os.RemoveAll(i.dir)
		lock.Close()
	}, nil
}

// empty removes the leavings of a dead instance, and refuses a folder that holds anything else.
func (i instance) empty() error {
	entries, err := os.ReadDir(i.dir)
	if err != nil || len(entries) == 0 {
		return err
	}
	if _, err := os.Readlink(i.path("run")); err != nil {
		return fmt.Errorf("%s is neither empty nor the state of a control plane", i.dir)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(i.path(entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// removeDead removes what an instance that died without cleaning up has left, and says
// whether there was anything.
func (i instance) removeDead() (bool, error) {
	if err := sweepRuntimeDirs(); err != nil {
		return false, err
	}
	if _, err := os.Stat(i.dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	release, err := i.claim()
	if err != nil {
		return false, err
	}
	release()
	return true, nil
}

const (
	sharedMemory   = "/dev/shm"
	runtimePattern = "countersign-controlplane-*"

	// What etcd may come to need; containers often have a /dev/shm of 64 MB, too small for it.
	runtimeSpace = 512 << 20
)

// runtimeParent is where runtime folders go: memory, if there is enough of it.
func runtimeParent() string {
	var stat syscall.Statfs_t
	if syscall.Statfs(sharedMemory, &stat) == nil && stat.Bavail*uint64(stat.Bsize) >= runtimeSpace {
		return sharedMemory
	}
	return os.TempDir()
}

// makeRuntimeDir makes the folder for etcd's data and the sockets (whose paths must be
// short) and links it into the state folder as "run". Release removes it.
func (i instance) makeRuntimeDir() (dir string, release func(), err error) {
	if err := sweepRuntimeDirs(); err != nil {
		return "", nil, err
	}
	for {
		dir, err := os.MkdirTemp(runtimeParent(), runtimePattern)
		if err != nil {
			return "", nil, err
		}
		// Another process may sweep the folder before it is locked.
		lock, err := tryLock(dir)
		if errors.Is(err, errLocked) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		release := func() {
			os.RemoveAll(dir)
			lock.Close()
		}
		if err := os.Symlink(dir, i.path("run")); err != nil {
			release()
			return "", nil, err
		}
		return dir, release, nil
	}
}

// sweepRuntimeDirs removes this user's runtime folders whose process is gone.
func sweepRuntimeDirs() error {
	for _, parent := range []string{sharedMemory, os.TempDir()} {
		dirs, err := filepath.Glob(filepath.Join(parent, runtimePattern))
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if lock, err := tryLock(dir); err == nil {
				os.RemoveAll(dir)
				lock.Close()
			}
		}
	}
	return nil
}
