import java.nio.charset.StandardCharsets;
import org.apache.curator.framework.CuratorFramework;

/** Traffic of others on ZooKeeper: see bench/locks/writing.ts. */
public final class Writer {
    private static final int NODES = 100;

    private Writer() {}

    public static void main(String[] args) throws Exception {
        CuratorFramework client = Contender.connect(args[0]);
        double perSecond = Double.parseDouble(args[1]);
        byte[] value = "x".repeat(64).getBytes(StandardCharsets.UTF_8);
        for (int node = 0; node < NODES; node++) {
            client.create().creatingParentsIfNeeded().forPath("/others/" + node, value);
        }
        System.out.println("ready");
        long start = System.nanoTime();
        for (long number = 1; ; number++) {
            long waitMs = (start + (long) (number / perSecond * 1e9) - System.nanoTime()) / 1_000_000;
            if (waitMs > 0) Thread.sleep(waitMs);
            client.setData().inBackground().forPath("/others/" + number % NODES, value);
        }
    }
}
