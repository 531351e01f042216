// Acquires and releases concurrency.Mutex for a given time, as one contender process.
// Says "ready" when connected, begins when a line arrives on stdin, and prints how often it held the lock.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
)

func main() {
	endpoints, name, duration := os.Args[1], os.Args[2], os.Args[3]
	limit, err := time.ParseDuration(duration)
	check(err)
	client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(endpoints, ","), DialTimeout: 5 * time.Second})
	check(err)
	session, err := concurrency.NewSession(client)
	check(err)
	mutex := concurrency.NewMutex(session, name)
	ctx := context.Background()
	fmt.Println("ready")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)

	count := 0
	for start := time.Now(); time.Since(start) < limit; count++ {
		check(mutex.Lock(ctx))
		check(mutex.Unlock(ctx))
	}
	fmt.Println(count)
	check(session.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
