# Two media nodes and two workers under Nomad: an example that the tests do not run. The binary and /etc/calld come from the Debian package on each client.
job "calld" {
  datacenters = ["dc1"]
  type        = "service"

  group "media" {
    count = 2
    constraint {
      distinct_hosts = true
    }
    network {
      port "ws" {
        static = 8081
      }
    }
    service {
      name = "calld-media"
      port = "ws"
      check {
        type     = "http"
        path     = "/readyz"
        interval = "2s"
        timeout  = "1s"
      }
    }
    task "media" {
      driver       = "raw_exec"
      kill_timeout = "15m"    # media.drain_timeout: running calls finish
      config {
        command = "/usr/bin/calld"
        args    = ["media", "--listen", "0.0.0.0:8081"]
      }
    }
    task "records" {
      driver       = "raw_exec"
      kill_timeout = "60s"
      env {
        CALLD_WORKER_RECORDS_QUEUE = "records-${attr.unique.hostname}"
        CALLD_WORKER_QUEUES        = "records-${attr.unique.hostname}"
      }
      config {
        command = "/usr/bin/calld"
        args    = ["worker"]
      }
    }
  }

  group "worker" {
    count = 2
    constraint {
      distinct_hosts = true
    }
    task "worker" {
      driver       = "raw_exec"
      kill_timeout = "60s"    # longer than a create-call and its commit
      env {
        CALLD_WORKER_QUEUES = "dial,default"
      }
      config {
        command = "/usr/bin/calld"
        args    = ["worker"]
      }
    }
  }
}
