// Acquires and releases concurrency.Mutex for a given time, as independent clients in one contender process, and prints when it
// held it: see bench/locks/loop.ts.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

type acquisition struct{ requested, granted, released int64 }

const monotonicClock = 1

// Go's own monotonic time has a zero of its own in each process; this is the machine's.
func nowUs() int64 {
	var at syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, monotonicClock, uintptr(unsafe.Pointer(&at)), 0)
	if errno != 0 {
		check(errno)
	}
	return at.Nano() / 1000
}

func main() {
	endpoints, name := os.Args[1], os.Args[2]
	clients, callers := number(os.Args[3]), number(os.Args[4])
	lengthMs := number(os.Args[5]) + number(os.Args[6])
	mutexes := make([]*concurrency.Mutex, clients*callers)
	sessions := make([]*concurrency.Session, clients*callers)
	for client := 0; client < clients; client++ {
		connected, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(endpoints, ","), DialTimeout: 5 * time.Second})
		check(err)
		for caller := 0; caller < callers; caller++ {
			session, err := concurrency.NewSession(connected)
			check(err)
			sessions[client*callers+caller] = session
			mutexes[client*callers+caller] = concurrency.NewMutex(session, name)
		}
	}
	fmt.Println("ready")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)

	end := nowUs() + int64(lengthMs)*1000
	records := make([][]acquisition, len(mutexes))
	var group sync.WaitGroup
	for index, mutex := range mutexes {
		group.Add(1)
		go func(index int, mutex *concurrency.Mutex) {
			defer group.Done()
			ctx := context.Background()
			for {
				requested := nowUs()
				if requested >= end {
					return
				}
				check(mutex.Lock(ctx))
				granted := nowUs()
				released := nowUs()
				check(mutex.Unlock(ctx))
				records[index] = append(records[index], acquisition{requested, granted, released})
			}
		}(index, mutex)
	}
	group.Wait()
	out := bufio.NewWriter(os.Stdout)
	for index, of := range records {
		for _, one := range of {
			fmt.Fprintln(out, index/callers, one.requested, one.granted, one.released)
		}
	}
	check(out.Flush())
	for _, session := range sessions {
		check(session.Close())
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
