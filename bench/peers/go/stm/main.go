// Adds one to a key by concurrency.NewSTM, again and again for a given time, and prints when each transaction was committed and
// how long it took: see bench/atomics/stm-loop.ts.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

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
	endpoints, key := os.Args[1], os.Args[2]
	lengthMs, err := strconv.Atoi(os.Args[3])
	check(err)
	client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(endpoints, ","), DialTimeout: 5 * time.Second})
	check(err)
	fmt.Println("ready")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)

	addOne := func(tx concurrency.STM) error {
		count := 0
		if text := tx.Get(key); text != "" {
			known, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			count = known
		}
		tx.Put(key, strconv.Itoa(count+1))
		return nil
	}
	type commit struct{ endedUs, tookUs int64 }
	commits := []commit{}
	for endUs := nowUs() + int64(lengthMs)*1000; ; {
		beganUs := nowUs()
		if beganUs >= endUs {
			break
		}
		_, err := concurrency.NewSTM(client, addOne)
		check(err)
		endedUs := nowUs()
		commits = append(commits, commit{endedUs, endedUs - beganUs})
	}
	out := bufio.NewWriter(os.Stdout)
	for _, one := range commits {
		fmt.Fprintln(out, one.endedUs, one.tookUs)
	}
	check(out.Flush())
	check(client.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
