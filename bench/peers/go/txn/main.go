// Sends guarded creates one to a request from many goroutines over one client, and prints how many a second.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

func main() {
	endpoints, prefix, duration := os.Args[1], os.Args[2], os.Args[3]
	limit, err := time.ParseDuration(duration)
	check(err)
	concurrency, err := strconv.Atoi(os.Args[4])
	check(err)
	client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(endpoints, ","), DialTimeout: 5 * time.Second})
	check(err)
	ctx := context.Background()
	value := strings.Repeat("v", 32)

	var next, done int64
	var group sync.WaitGroup
	start := time.Now()
	for worker := 0; worker < concurrency; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for time.Since(start) < limit {
				key := fmt.Sprintf("%s%010d", prefix, atomic.AddInt64(&next, 1))
				absent := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
				reply, err := client.Txn(ctx).If(absent).Then(clientv3.OpPut(key, value)).Commit()
				check(err)
				if !reply.Succeeded {
					check(fmt.Errorf("%s was there already", key))
				}
				atomic.AddInt64(&done, 1)
			}
		}()
	}
	group.Wait()
	fmt.Printf("%.1f\n", float64(done)/time.Since(start).Seconds())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
