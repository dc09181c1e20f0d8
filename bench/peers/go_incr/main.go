// Count likes with INCR in Redis: net/http and go-redis. Actors are unknown, and nothing is durable.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9"
)

type answer struct {
	Post  string `json:"post"`
	Count int64  `json:"count"`
}

func main() {
	options, err := redis.ParseClusterURL(os.Getenv("BENCH_REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	// The client has a pool of connections. Its autopipelining is experimental.
	client := redis.NewClusterClient(options)
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /posts/{post}/like", func(w http.ResponseWriter, r *http.Request) {
		post := r.PathValue("post")
		count, err := client.Incr(r.Context(), "likes:"+post).Result()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer{post, count})
	})
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}
