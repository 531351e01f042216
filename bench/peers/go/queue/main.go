// Puts jobs into the Queue of etcd's recipes and takes them out again, as told on its input: see
// bench/queues/participant-loop.ts. The recipe takes a job by deleting it, so what is taken is acknowledged at once.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"go.etcd.io/etcd/clientv3"
	recipe "go.etcd.io/etcd/contrib/recipes"
	"go.uber.org/zap"
)

const (
	monotonicClock = 1
	digits         = 8
	payloadBytes   = 200
	callers        = 100
)

// A consumer of an empty queue waits on a watch that nothing can end but a new job or the end of its client. Those that are taking
// a job come back one after the other: none is cut off as long as one did so lately.
const patience = time.Second

type consumer struct {
	client   *clientv3.Client
	starts   []int64
	returned chan struct{}
}

type participant struct {
	endpoints string
	clients   int
	producer  *clientv3.Client
	consumers []*consumer
	stopping  int32
	taken     int64
}

func main() {
	p := &participant{endpoints: os.Args[1], clients: int(number(os.Args[2]))}
	p.producer = p.connect()
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	answer := func(word string, numbers ...int64) {
		fmt.Fprint(out, word)
		for _, one := range numbers {
			fmt.Fprint(out, " ", one)
		}
		fmt.Fprintln(out)
		check(out.Flush())
	}
	answer("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := strings.Split(in.Text(), " ")
		switch words[0] {
		case "fill":
			from := nowUs()
			p.fill(words[1], number(words[2]), number(words[3]))
			answer("filled", from, nowUs())
		case "pace":
			answer("paced", p.pace(words[1], number(words[2]), number(words[3]), number(words[4]))...)
		case "consume":
			p.consume(words[1])
			answer("consuming")
		case "progress":
			answer("progress", atomic.LoadInt64(&p.taken))
		case "stop":
			starts := p.stop()
			answer("stopped", append([]int64{int64(len(starts))}, append(starts, starts...)...)...)
		case "left":
			count, err := p.producer.Get(context.Background(), words[1], clientv3.WithPrefix(), clientv3.WithCountOnly())
			check(err)
			answer("left", count.Count)
		default:
			check(fmt.Errorf("no command %s", words[0]))
		}
	}
}

func (p *participant) connect() *clientv3.Client {
	// It tells of each attempt that its own end has cut off.
	quiet := zap.NewProductionConfig()
	quiet.Level = zap.NewAtomicLevelAt(zap.PanicLevel)
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   strings.Split(p.endpoints, ","),
		DialTimeout: 5 * time.Second,
		LogConfig:   &quiet,
	})
	check(err)
	return client
}

func (p *participant) fill(name string, first, count int64) {
	queue := recipe.NewQueue(p.producer, name)
	next := first - 1
	var group sync.WaitGroup
	for caller := 0; caller < callers; caller++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for job := atomic.AddInt64(&next, 1); job < first+count; job = atomic.AddInt64(&next, 1) {
				check(queue.Enqueue(payloadOf(job)))
			}
		}()
	}
	group.Wait()
}

func (p *participant) pace(name string, first, count, perSecond int64) []int64 {
	queue := recipe.NewQueue(p.producer, name)
	asked := make([]int64, count)
	var group sync.WaitGroup
	start := nowUs()
	for index := int64(0); index < count; index++ {
		due := start + index*1000000/perSecond
		time.Sleep(time.Duration(due-nowUs()) * time.Microsecond)
		asked[index] = nowUs()
		group.Add(1)
		go func(job int64) {
			defer group.Done()
			check(queue.Enqueue(payloadOf(job)))
		}(first + index)
	}
	group.Wait()
	return asked
}

func (p *participant) consume(name string) {
	atomic.StoreInt32(&p.stopping, 0)
	atomic.StoreInt64(&p.taken, 0)
	p.consumers = nil
	for index := 0; index < p.clients; index++ {
		one := &consumer{client: p.connect(), returned: make(chan struct{})}
		p.consumers = append(p.consumers, one)
		go p.take(one, recipe.NewQueue(one.client, name))
	}
}

func (p *participant) take(one *consumer, queue *recipe.Queue) {
	defer close(one.returned)
	defer func() {
		// The recipe does not expect that its watch ends.
		if failure := recover(); failure != nil && atomic.LoadInt32(&p.stopping) == 0 {
			panic(failure)
		}
	}()
	for atomic.LoadInt32(&p.stopping) == 0 {
		payload, err := queue.Dequeue()
		if err != nil && atomic.LoadInt32(&p.stopping) != 0 {
			return
		}
		check(err)
		one.starts = append(one.starts, number(payload[:digits]), nowUs())
		atomic.AddInt64(&p.taken, 1)
	}
}

func (p *participant) stop() []int64 {
	atomic.StoreInt32(&p.stopping, 1)
	for returned := -1; returned < p.countReturned(); {
		returned = p.countReturned()
		time.Sleep(patience)
	}
	var starts []int64
	for _, one := range p.consumers {
		one.client.Close()
		<-one.returned
		starts = append(starts, one.starts...)
	}
	return starts
}

func (p *participant) countReturned() int {
	count := 0
	for _, one := range p.consumers {
		select {
		case <-one.returned:
			count++
		default:
		}
	}
	return count
}

func payloadOf(job int64) string {
	text := fmt.Sprintf("%0*d ", digits, job)
	return text + strings.Repeat("x", payloadBytes-len(text))
}

// Go's own monotonic time has a zero of its own in each process; this is the machine's.
func nowUs() int64 {
	var at syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, monotonicClock, uintptr(unsafe.Pointer(&at)), 0)
	if errno != 0 {
		check(errno)
	}
	return at.Nano() / 1000
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
