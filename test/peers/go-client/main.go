// Runs etcd's own Go client and the packages on top of it against the server named by the first argument:
// clientv3, concurrency, leasing, mirror, namespace, ordering and the recipes. Prints one line a check, "ok name"
// or "FAIL name: why", and exits with 1 if any failed.
package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
	"go.etcd.io/etcd/clientv3/leasing"
	"go.etcd.io/etcd/clientv3/mirror"
	"go.etcd.io/etcd/clientv3/namespace"
	"go.etcd.io/etcd/clientv3/ordering"
	recipe "go.etcd.io/etcd/contrib/recipes"
	"go.etcd.io/etcd/etcdserver/api/v3rpc/rpctypes"
)

var endpoint string

func connect() *clientv3.Client {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            []string{endpoint},
		DialTimeout:          5 * time.Second,
		DialKeepAliveTime:    2 * time.Second,
		DialKeepAliveTimeout: 2 * time.Second,
	})
	must(err)
	return client
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(holds bool, what string, details ...interface{}) {
	if !holds {
		panic(fmt.Sprintf(what, details...))
	}
}

func session(client *clientv3.Client, ttl int) *concurrency.Session {
	s, err := concurrency.NewSession(client, concurrency.WithTTL(ttl))
	must(err)
	return s
}

func together(count int, work func(index int)) {
	var group sync.WaitGroup
	failures := make(chan interface{}, count)
	for i := 0; i < count; i++ {
		group.Add(1)
		go func(index int) {
			defer group.Done()
			defer func() {
				if failure := recover(); failure != nil {
					failures <- failure
				}
			}()
			work(index)
		}(i)
	}
	group.Wait()
	close(failures)
	for failure := range failures {
		panic(failure)
	}
}

func keyValues(ctx context.Context, c *clientv3.Client) {
	_, err := c.Put(ctx, "kv/a", "1")
	must(err)
	put, err := c.Put(ctx, "kv/a", "2", clientv3.WithPrevKV())
	must(err)
	expect(string(put.PrevKv.Value) == "1", "previous value %q", put.PrevKv.Value)
	get, err := c.Get(ctx, "kv/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend))
	must(err)
	expect(get.Count == 1 && get.Kvs[0].Version == 2, "read %v", get)
	past, err := c.Get(ctx, "kv/a", clientv3.WithRev(get.Kvs[0].CreateRevision))
	must(err)
	expect(string(past.Kvs[0].Value) == "1", "past value %q", past.Kvs[0].Value)
	txn, err := c.Txn(ctx).
		If(clientv3.Compare(clientv3.Value("kv/a"), "=", "2"), clientv3.Compare(clientv3.Version("kv/b"), "=", 0)).
		Then(clientv3.OpPut("kv/b", "x"), clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet("kv/a")}, nil)).
		Commit()
	must(err)
	expect(txn.Succeeded && len(txn.Responses) == 2, "txn %v", txn)
	_, err = c.Get(ctx, "kv/a", clientv3.WithRev(math.MaxInt64))
	expect(err == rpctypes.ErrFutureRev, "future revision: %v", err)
	_, err = c.Put(ctx, "", "x")
	expect(err == rpctypes.ErrEmptyKey, "empty key: %v", err)
	_, err = c.Put(ctx, "kv/a", "x", clientv3.WithLease(4711))
	expect(err == rpctypes.ErrLeaseNotFound, "missing lease: %v", err)
	deleted, err := c.Delete(ctx, "kv/", clientv3.WithPrefix(), clientv3.WithPrevKV())
	must(err)
	expect(deleted.Deleted == 2 && len(deleted.PrevKvs) == 2, "delete %v", deleted)
}

func watches(ctx context.Context, c *clientv3.Client) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	first, err := c.Put(ctx, "w/a", "0")
	must(err)
	history := c.Watch(watching, "w/", clientv3.WithPrefix(), clientv3.WithRev(first.Header.Revision), clientv3.WithPrevKV())
	deletes := c.Watch(watching, "w/", clientv3.WithPrefix(), clientv3.WithFilterPut(), clientv3.WithCreatedNotify())
	created := <-deletes
	expect(created.Created, "first response %v", created)
	for i := 1; i <= 100; i++ {
		_, err := c.Put(ctx, "w/a", fmt.Sprint(i))
		must(err)
	}
	_, err = c.Delete(ctx, "w/a")
	must(err)
	seen := 0
	for seen < 102 {
		response := <-history
		must(response.Err())
		for _, event := range response.Events {
			if seen > 0 && seen < 101 {
				expect(string(event.PrevKv.Value) == fmt.Sprint(seen-1), "event %d after %q", seen, event.PrevKv.Value)
			}
			seen++
		}
	}
	response := <-deletes
	expect(len(response.Events) == 1 && response.Events[0].Type == clientv3.EventTypeDelete, "filtered %v", response)
	must(c.RequestProgress(watching))
	progress := <-deletes
	expect(progress.IsProgressNotify(), "progress %v", progress)
}

func compaction(ctx context.Context, c *clientv3.Client) {
	first, err := c.Put(ctx, "compact", "1")
	must(err)
	last, err := c.Put(ctx, "compact", "2")
	must(err)
	_, err = c.Compact(ctx, last.Header.Revision)
	must(err)
	_, err = c.Get(ctx, "compact", clientv3.WithRev(first.Header.Revision))
	expect(err == rpctypes.ErrCompacted, "read of the compacted: %v", err)
	response := <-c.Watch(ctx, "compact", clientv3.WithRev(first.Header.Revision))
	expect(response.Err() == rpctypes.ErrCompacted && response.CompactRevision == last.Header.Revision, "watch of the compacted: %v", response)
}

func leases(ctx context.Context, c *clientv3.Client) {
	grant, err := c.Grant(ctx, 2)
	must(err)
	alive, err := c.KeepAlive(ctx, grant.ID)
	must(err)
	_, err = c.Put(ctx, "lease/k", "v", clientv3.WithLease(grant.ID))
	must(err)
	until := time.After(3500 * time.Millisecond)
	renewals := 0
	for renewing := true; renewing; {
		select {
		case _, open := <-alive:
			expect(open, "the keep-alive ended")
			renewals++
		case <-until:
			renewing = false
		}
	}
	expect(renewals >= 3, "%d renewals", renewals)
	state, err := c.TimeToLive(ctx, grant.ID, clientv3.WithAttachedKeys())
	must(err)
	expect(state.GrantedTTL == 2 && len(state.Keys) == 1, "state %v", state)
	_, err = c.Revoke(ctx, grant.ID)
	must(err)
	state, err = c.TimeToLive(ctx, grant.ID)
	must(err)
	expect(state.TTL == -1, "after revoke %v", state)
	_, err = c.KeepAliveOnce(ctx, grant.ID)
	expect(err == rpctypes.ErrLeaseNotFound, "keep-alive after revoke: %v", err)
}

func cluster(ctx context.Context, c *clientv3.Client) {
	members, err := c.MemberList(ctx)
	must(err)
	expect(len(members.Members) == 1, "members %v", members)
	must(c.Sync(ctx))
	state, err := c.Status(ctx, endpoint)
	must(err)
	expect(state.Leader == members.Members[0].ID, "leader %v", state)
	hash, err := c.HashKV(ctx, endpoint, 0)
	must(err)
	expect(hash.Hash != 0, "hash %v", hash)
	alarms, err := c.AlarmList(ctx)
	must(err)
	expect(len(alarms.Alarms) == 0, "alarms %v", alarms)
}

func mutex(ctx context.Context, _ *clientv3.Client) {
	var inside, sections int32
	together(5, func(int) {
		c := connect()
		defer c.Close()
		s := session(c, 10)
		defer s.Close()
		m := concurrency.NewMutex(s, "mutex")
		for i := 0; i < 10; i++ {
			must(m.Lock(ctx))
			expect(atomic.AddInt32(&inside, 1) == 1, "two inside")
			sections++
			owned, err := c.Txn(ctx).If(m.IsOwner()).Commit()
			must(err)
			expect(owned.Succeeded, "holds and does not own")
			atomic.AddInt32(&inside, -1)
			must(m.Unlock(ctx))
		}
	})
	expect(sections == 50, "%d sections", sections)
}

func lostSession(ctx context.Context, c *clientv3.Client) {
	s := session(c, 2)
	m := concurrency.NewMutex(s, "lost")
	must(m.Lock(ctx))
	s.Orphan()
	other := session(c, 10)
	defer other.Close()
	must(concurrency.NewMutex(other, "lost").Lock(ctx))
	<-s.Done()
}

func election(ctx context.Context, c *clientv3.Client) {
	one, two := session(c, 10), session(c, 10)
	defer one.Close()
	defer two.Close()
	first, second := concurrency.NewElection(one, "election"), concurrency.NewElection(two, "election")
	must(first.Campaign(ctx, "one"))
	observing, stop := context.WithCancel(ctx)
	defer stop()
	observed := second.Observe(observing)
	leader := func() string { return string((<-observed).Kvs[0].Value) }
	expect(leader() == "one", "not one")
	must(first.Proclaim(ctx, "one again"))
	expect(leader() == "one again", "not one again")
	won := make(chan error, 1)
	go func() { won <- second.Campaign(ctx, "two") }()
	time.Sleep(100 * time.Millisecond)
	must(first.Resign(ctx))
	must(<-won)
	expect(leader() == "two", "not two")
}

func stm(ctx context.Context, c *clientv3.Client) {
	for name, level := range map[string]concurrency.Isolation{
		"snapshot": concurrency.SerializableSnapshot, "serializable": concurrency.Serializable,
		"repeatable": concurrency.RepeatableReads,
	} {
		key := "stm/" + name
		_, err := c.Put(ctx, key, "")
		must(err)
		together(4, func(int) {
			for i := 0; i < 5; i++ {
				_, err := concurrency.NewSTM(c, func(s concurrency.STM) error {
					s.Put(key, s.Get(key)+"x")
					return nil
				}, concurrency.WithIsolation(level), concurrency.WithAbortContext(ctx))
				must(err)
			}
		})
		get, err := c.Get(ctx, key)
		must(err)
		expect(string(get.Kvs[0].Value) == strings.Repeat("x", 20), "%s: %q", name, get.Kvs[0].Value)
	}
}

func leasingCache(ctx context.Context, c *clientv3.Client) {
	one, closeOne, err := leasing.NewKV(c, "leasing/owners/")
	must(err)
	defer closeOne()
	other := connect()
	defer other.Close()
	two, closeTwo, err := leasing.NewKV(other, "leasing/owners/")
	must(err)
	defer closeTwo()
	read := func(kv clientv3.KV) string {
		get, err := kv.Get(ctx, "leasing/k")
		must(err)
		if len(get.Kvs) == 0 {
			return ""
		}
		return string(get.Kvs[0].Value)
	}
	expect(read(one) == "", "not empty")
	for i := 0; i < 5; i++ {
		value := fmt.Sprint(i)
		writer, reader := one, two
		if i%2 == 1 {
			writer, reader = two, one
		}
		_, err := writer.Put(ctx, "leasing/k", value)
		must(err)
		expect(read(reader) == value && read(writer) == value, "stale at %d", i)
	}
	txn, err := one.Txn(ctx).If(clientv3.Compare(clientv3.Value("leasing/k"), "=", "4")).
		Then(clientv3.OpPut("leasing/k", "5")).Commit()
	must(err)
	expect(txn.Succeeded && read(two) == "5", "txn %v", txn)
	_, err = two.Delete(ctx, "leasing/k")
	must(err)
	expect(read(one) == "", "not deleted")
}

func mirroring(ctx context.Context, c *clientv3.Client) {
	const keys = 2500
	for i := 0; i < keys; i += 100 {
		ops := make([]clientv3.Op, 0, 100)
		for j := i; j < i+100; j++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("mirror/%05d", j), "v"))
		}
		_, err := c.Txn(ctx).Then(ops...).Commit()
		must(err)
	}
	syncer := mirror.NewSyncer(c, "mirror/", 0)
	pages, failures := syncer.SyncBase(ctx)
	copied := 0
	for page := range pages {
		copied += len(page.Kvs)
	}
	must(<-failures)
	expect(copied == keys, "%d keys copied", copied)
	following, stop := context.WithCancel(ctx)
	defer stop()
	updates := syncer.SyncUpdates(following)
	_, err := c.Put(ctx, "mirror/new", "v")
	must(err)
	expect(string((<-updates).Events[0].Kv.Key) == "mirror/new", "another update")
}

func wrappers(ctx context.Context, c *clientv3.Client) {
	kv := namespace.NewKV(c.KV, "ns/")
	watcher := namespace.NewWatcher(c.Watcher, "ns/")
	watching, stop := context.WithCancel(ctx)
	defer stop()
	events := watcher.Watch(watching, "", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-events
	_, err := kv.Put(ctx, "a", "1")
	must(err)
	expect(string((<-events).Events[0].Kv.Key) == "a", "namespace not taken off")
	ordered := ordering.NewKV(c.KV, func(clientv3.Op, clientv3.OpResponse, int64) error {
		return fmt.Errorf("revisions went back")
	})
	for i := 0; i < 20; i++ {
		_, err := ordered.Get(ctx, "ns/a", clientv3.WithSerializable())
		must(err)
		_, err = c.Put(ctx, "ns/a", "2")
		must(err)
	}
}

func queues(ctx context.Context, c *clientv3.Client) {
	q := recipe.NewQueue(c, "queue/")
	for i := 0; i < 10; i++ {
		must(q.Enqueue(fmt.Sprint(i)))
	}
	for i := 0; i < 10; i++ {
		value, err := q.Dequeue()
		must(err)
		expect(value == fmt.Sprint(i), "%q in place %d", value, i)
	}
	late := make(chan string, 1)
	go func() {
		value, _ := q.Dequeue()
		late <- value
	}()
	time.Sleep(50 * time.Millisecond)
	must(q.Enqueue("late"))
	expect(<-late == "late", "not the late one")
	p := recipe.NewPriorityQueue(c, "priority")
	for _, value := range []string{"3c", "1a", "2b", "1b"} {
		must(p.Enqueue(value, uint16(value[0]-'0')))
	}
	for _, want := range []string{"1a", "1b", "2b", "3c"} {
		value, err := p.Dequeue()
		must(err)
		expect(value == want, "%q for %q", value, want)
	}
}

func barriers(ctx context.Context, c *clientv3.Client) {
	b := recipe.NewBarrier(c, "barrier")
	must(b.Hold())
	var passed int32
	released := make(chan struct{})
	go func() {
		together(5, func(int) {
			must(recipe.NewBarrier(c, "barrier").Wait())
			atomic.AddInt32(&passed, 1)
		})
		close(released)
	}()
	time.Sleep(100 * time.Millisecond)
	expect(atomic.LoadInt32(&passed) == 0, "passed a held barrier")
	must(b.Release())
	<-released

	var entered int32
	together(4, func(int) {
		own := connect()
		defer own.Close()
		s := session(own, 10)
		defer s.Close()
		d := recipe.NewDoubleBarrier(s, "double", 4)
		atomic.AddInt32(&entered, 1)
		must(d.Enter())
		expect(atomic.LoadInt32(&entered) == 4, "entered before all had come")
		must(d.Leave())
	})
}

func readersAndWriters(ctx context.Context, _ *clientv3.Client) {
	var readers, writers int32
	together(6, func(index int) {
		c := connect()
		defer c.Close()
		s := session(c, 10)
		defer s.Close()
		for i := 0; i < 4; i++ {
			m := recipe.NewRWMutex(s, "rw")
			if index%3 == 0 {
				must(m.Lock())
				expect(atomic.AddInt32(&writers, 1) == 1 && atomic.LoadInt32(&readers) == 0, "a writer beside others")
				time.Sleep(time.Millisecond)
				atomic.AddInt32(&writers, -1)
				must(m.Unlock())
			} else {
				must(m.RLock())
				atomic.AddInt32(&readers, 1)
				expect(atomic.LoadInt32(&writers) == 0, "a reader beside a writer")
				time.Sleep(time.Millisecond)
				atomic.AddInt32(&readers, -1)
				must(m.RUnlock())
			}
		}
	})
}

func run(name string, check func(context.Context, *clientv3.Client)) (passed bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	defer func() {
		if failure := recover(); failure != nil {
			fmt.Printf("FAIL %s: %v\n", name, failure)
		}
	}()
	client := connect()
	defer client.Close()
	check(ctx, client)
	fmt.Printf("ok %s\n", name)
	return true
}

func main() {
	endpoint = os.Args[1]
	checks := map[string]func(context.Context, *clientv3.Client){
		"kv": keyValues, "watch": watches, "compaction": compaction, "lease": leases, "cluster": cluster,
		"mutex": mutex, "lost-session": lostSession, "election": election, "stm": stm,
		"leasing": leasingCache, "mirror": mirroring, "namespace-ordering": wrappers,
		"queues": queues, "barriers": barriers, "rwmutex": readersAndWriters,
	}
	names := make([]string, 0, len(checks))
	for name := range checks {
		if len(os.Args) < 3 || strings.Contains(name, os.Args[2]) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	failed := false
	for _, name := range names {
		// One that hangs beyond its deadline must not keep the others from being told.
		done := make(chan bool, 1)
		go func(name string) { done <- run(name, checks[name]) }(name)
		select {
		case passed := <-done:
			failed = failed || !passed
		case <-time.After(40 * time.Second):
			fmt.Printf("FAIL %s: hangs\n", name)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}
