// Waits at the Barrier of etcd's recipes, as told on its input: see bench/barriers/wait-loop.ts.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"go.etcd.io/etcd/clientv3"
	recipe "go.etcd.io/etcd/contrib/recipes"
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
	endpoints, name := os.Args[1], os.Args[2]
	waiters, rounds := number(os.Args[3]), number(os.Args[4])
	client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(endpoints, ","), DialTimeout: 5 * time.Second})
	check(err)
	input := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	returned := make([][]int64, rounds)
	for round := range returned {
		_, err := input.ReadString('\n')
		check(err)
		returned[round] = make([]int64, waiters)
		var group sync.WaitGroup
		for waiter := 0; waiter < waiters; waiter++ {
			group.Add(1)
			go func(at *int64) {
				defer group.Done()
				check(recipe.NewBarrier(client, fmt.Sprintf("%s-%d", name, round)).Wait())
				*at = nowUs()
			}(&returned[round][waiter])
		}
		group.Wait()
	}
	for round, times := range returned {
		for _, at := range times {
			fmt.Println(round, at)
		}
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
